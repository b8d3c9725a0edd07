// Gradients of the layers that blocks are made of. `d[1]` is the layer's whole parameter vector.
#include <nn/layer_check.hpp>

#include <tessera/nn/attention.hpp>
#include <tessera/nn/layer_norm.hpp>
#include <tessera/nn/linear.hpp>
#include <tessera/nn/mlp.hpp>

using namespace tessera;
using gradients::BoundWeights;
using gradients::read;
using gradients::Values;
using gradients::write;
using gradients::Writes;

namespace {

template <class Layer>
gradients::Input parameters() {
  return {"parameters", gradients::random_values(gradients::parameter_size<Layer>(), 9), Writes::adds};
}

template <Index In, Index Out>
void check_linear(Index rows) {
  using Layer = Linear<In, Out>;
  const auto forward = [rows]<class T>(reference<T>, const std::vector<Values<T>>& in) {
    Values<T> y = gradients::poisoned<T>(rows * Out);
    Layer::template forward<reference<T>>(BoundWeights<Layer, reference<T>>(in[1]).tensors, rows, read(in[0]),
                                          write(y));
    return y;
  };
  const auto backward = [rows](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
    using B = reference<double>;
    Values<double> scratch(Layer::template scratch<B>(rows));
    const BoundWeights<Layer, B> w(in[1]);
    Layer::template backward_weight<B>(rows, read(in[0]), read(dy), write(scratch),
                                       gradients::bind_gradients<Layer>(d[1]));
    Layer::template backward_input<B>(w.tensors, rows, read(dy), write(d[0]));
  };
  gradients::check_gradients({{"x", gradients::random_values(rows * In, 1), Writes::overwrites}, parameters<Layer>()},
                             forward, backward);
}

template <Index D>
void check_layer_norm(Index rows) {
  using Layer = LayerNorm<D>;
  using Saved = Layer::template Saved<double>;
  const auto forward = [rows]<class T>(reference<T>, const std::vector<Values<T>>& in) {
    Values<T> y = gradients::poisoned<T>(rows * D);
    const BoundWeights<Layer, reference<T>> w(in[1]);
    Layer::template forward<reference<T>>(w.tensors, rows, read(in[0]), write(y), {});
    return y;
  };
  const auto backward = [rows](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
    using B = reference<double>;
    Saved saved;
    const auto work = gradients::make_work<double>([&](auto& v) { saved.visit(v, rows); });
    Values<double> y = gradients::poisoned<double>(rows * D);
    const BoundWeights<Layer, B> w(in[1]);
    Layer::template forward<B>(w.tensors, rows, read(in[0]), write(y), saved);
    Layer::template backward<B>(w.tensors, rows, read(in[0]), saved, read(dy), write(d[0]),
                                gradients::bind_gradients<Layer>(d[1]));
  };
  gradients::check_gradients({{"x", gradients::random_values(rows * D, 1), Writes::adds}, parameters<Layer>()}, forward,
                             backward);
}

// The residual's gradient is dy, which the caller adds: here it is an input of its own.
template <Index D, Index ratio>
void check_mlp(Index rows) {
  using Layer = Mlp<D, ratio>;
  const auto forward = [rows]<class T>(reference<T>, const std::vector<Values<T>>& in) {
    typename Layer::template Saved<T> saved;
    const auto work = gradients::make_work<T>([&](auto& v) { saved.visit(v, rows, false); });
    Values<T> y = gradients::poisoned<T>(rows * D);
    const BoundWeights<Layer, reference<T>> w(in[1]);
    Layer::template forward<reference<T>>(w.tensors, rows, read(in[0]), read(in[2]), write(y), saved);
    return y;
  };
  const auto backward = [rows](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
    using B = reference<double>;
    typename Layer::template Saved<double> saved;
    typename Layer::template Scratch<double> scratch;
    const auto work = gradients::make_work<double>([&](auto& v) {
      saved.visit(v, rows, true);
      scratch.template visit<B>(v, rows);
    });
    Values<double> y = gradients::poisoned<double>(rows * D);
    const BoundWeights<Layer, B> w(in[1]);
    Layer::template forward<B>(w.tensors, rows, read(in[0]), read(in[2]), write(y), saved);
    Layer::template backward<B>(w.tensors, rows, read(in[0]), saved, read(dy), write(d[0]), scratch,
                                gradients::bind_gradients<Layer>(d[1]));
    d[2] = dy;
  };
  gradients::check_gradients({{"x", gradients::random_values(rows * D, 1), Writes::overwrites},
                              parameters<Layer>(),
                              {"residual", gradients::random_values(rows * D, 2), Writes::overwrites}},
                             forward, backward);
}

// self: queries from the rows that keys and values come from, so that dx is one buffer with both parts.
template <Index D, Index heads, bool self>
void check_attention(Index batch, Index q_rows, Index kv_rows) {
  using Layer = Attention<D, heads>;
  const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
    typename Layer::template Saved<T> saved;
    const auto work = gradients::make_work<T>([&](auto& v) { saved.visit(v, batch, q_rows, kv_rows, false); });
    Values<T> y = gradients::poisoned<T>(batch * q_rows * D);
    const BoundWeights<Layer, reference<T>> w(in[1]);
    const Values<T> residual(y.size(), T(0.5));
    Layer::template forward<reference<T>>(w.tensors, batch, q_rows, kv_rows, read(self ? in[0] : in[2]), read(in[0]),
                                          read(residual), write(y), saved);
    return y;
  };
  const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
    using B = reference<double>;
    typename Layer::template Saved<double> saved;
    typename Layer::template Scratch<double> scratch;
    const auto work = gradients::make_work<double>([&](auto& v) {
      saved.visit(v, batch, q_rows, kv_rows, true);
      scratch.template visit<B>(v, batch, q_rows, kv_rows);
    });
    Values<double> y = gradients::poisoned<double>(batch * q_rows * D);
    const Values<double> residual(y.size(), 0.5);
    const BoundWeights<Layer, B> w(in[1]);
    const auto x_q = read(self ? in[0] : in[2]);
    Layer::template forward<B>(w.tensors, batch, q_rows, kv_rows, x_q, read(in[0]), read(residual), write(y), saved);
    Layer::template backward<B>(w.tensors, batch, q_rows, kv_rows, x_q, read(in[0]), saved, read(dy),
                                write(self ? d[0] : d[2]), write(d[0]), scratch,
                                gradients::bind_gradients<Layer>(d[1]));
  };
  std::vector<gradients::Input> inputs{{"x_kv", gradients::random_values(batch * kv_rows * D, 1), Writes::overwrites},
                                       parameters<Layer>()};
  if (!self) inputs.push_back({"x_q", gradients::random_values(batch * q_rows * D, 2), Writes::overwrites});
  gradients::check_gradients(inputs, forward, backward);
}

}  // namespace

TEST_CASE("Linear: gradients") {
  check_linear<1, 1>(1);
  check_linear<5, 17>(3);
}

TEST_CASE("LayerNorm: gradients") {
  check_layer_norm<1>(2);
  check_layer_norm<9>(3);
}

TEST_CASE("Mlp: gradients") {
  check_mlp<1, 1>(1);
  check_mlp<5, 3>(4);
  check_mlp<9, 4>(2);
}

TEST_CASE("Attention: gradients") {
  check_attention<1, 1, true>(1, 1, 1);
  check_attention<6, 2, true>(2, 5, 5);
  check_attention<9, 3, false>(2, 2, 7);
  check_attention<7, 1, false>(1, 1, 4);
}
