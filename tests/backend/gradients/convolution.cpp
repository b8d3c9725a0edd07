#include <cases/convolution.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

TEST_CASE("convolution: gradients") {
  cases::convolution([]<Index H, Index W, Index In, Index Out>(Shape<H, W, In, Out> sizes, Index batch) {
    const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      using B = reference<T>;
      Values<T> packed = gradients::poisoned<T>(B::packed_convolution_size(shape<In, Out>));
      Values<T> y = gradients::poisoned<T>(batch * H * W * Out);
      B::pack_convolution(shape<In, Out>, in[1], packed);
      B::convolution(sizes, batch, in[0], packed, in[2], in[3], y);
      return y;
    };
    const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
      using B = reference<double>;
      Values<double> packed = gradients::poisoned<double>(B::packed_convolution_size(shape<In, Out>));
      Values<double> scratch = gradients::poisoned<double>(B::convolution_backward_scratch(sizes, batch));
      B::pack_convolution_transposed(shape<In, Out>, in[1], packed);
      B::convolution_backward_input(sizes, batch, dy, packed, d[0]);
      B::convolution_backward_weight(sizes, batch, in[0], dy, scratch, d[1], d[2]);
      d[3] = dy;
    };
    gradients::check_gradients({{"x", gradients::random_values(batch * H * W * In, 1), Writes::overwrites},
                                {"weight", gradients::random_values(Out * In * 9, 2), Writes::adds},
                                {"bias", gradients::random_values(Out, 3), Writes::adds},
                                {"residual", gradients::random_values(batch * H * W * Out, 4), Writes::overwrites}},
                               forward, backward);
  });
}
