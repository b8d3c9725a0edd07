// Gradients of a stack of blocks that hands on all rows of a sequence, or some.
#include <nn/layer_check.hpp>

#include <tessera/nn/transformer.hpp>

using namespace tessera;
using gradients::BoundWeights;
using gradients::read;
using gradients::Values;
using gradients::Writes;

namespace {

template <class Layer, Index D>
void check_transformer(Index batch, KeptRows keep) {
  const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
    typename Layer::template Saved<T> saved;
    const auto work = gradients::make_work<T>([&](auto& v) { saved.visit(v, batch, keep, false); });
    const BoundWeights<Layer, reference<T>> w(in[1]);
    std::ranges::copy(in[0], saved.input().begin());
    Layer::template forward<reference<T>>(w.tensors, batch, keep, saved);
    return Values<T>(saved.output.begin(), saved.output.end());
  };
  const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
    using B = reference<double>;
    typename Layer::template Saved<double> saved;
    typename Layer::template Scratch<double> scratch;
    const auto work = gradients::make_work<double>([&](auto& v) {
      saved.visit(v, batch, keep, true);
      scratch.template visit<B>(v, batch, keep);
    });
    const BoundWeights<Layer, B> w(in[1]);
    std::ranges::copy(in[0], saved.input().begin());
    Layer::template forward<B>(w.tensors, batch, keep, saved);
    std::ranges::copy(dy, scratch.doutput.begin());
    Layer::template backward<B>(w.tensors, batch, keep, saved, scratch, gradients::bind_gradients<Layer>(d[1]));
    std::ranges::copy(scratch.dx, d[0].begin());
  };
  gradients::check_gradients(
      {{"x", gradients::random_values(batch * keep.rows * D, 1), Writes::overwrites},
       {"parameters", gradients::random_values(gradients::parameter_size<Layer>(), 9), Writes::adds}},
      forward, backward);
}

}  // namespace

TEST_CASE("Transformer: gradients where all rows are kept") {
  check_transformer<Transformer<6, 1, 2, 4>, 6>(2, {3, 0, 3});
  check_transformer<Transformer<5, 3, 1, 2>, 5>(1, {4, 0, 4});
  check_transformer<Transformer<3, 2, 3, 1>, 3>(2, {1, 0, 1});
}

TEST_CASE("Transformer: gradients where some rows are kept") {
  check_transformer<Transformer<6, 1, 2, 4>, 6>(2, {5, 3, 2});
  check_transformer<Transformer<5, 3, 1, 2>, 5>(3, {6, 1, 4});
  check_transformer<Transformer<9, 2, 3, 4>, 9>(1, {7, 6, 1});
}
