#include <cases/conv3x3.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

TEST_CASE("conv3x3: gradients") {
  cases::conv3x3([]<Index C, Index H, Index W>(Shape<C, H, W> sizes, Index batch) {
    const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> y = gradients::poisoned<T>(batch * C * H * W);
      reference<T>::conv3x3(sizes, batch, in[0], in[1], in[2], y);
      return y;
    };
    const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
      reference<double>::conv3x3_backward(sizes, batch, in[0], in[1], dy, d[0], d[1], d[2]);
    };
    gradients::check_gradients({{"x", gradients::random_values(batch * C * H * W, 1), Writes::overwrites},
                                {"weight", gradients::random_values(C * C * 9, 2), Writes::adds},
                                {"bias", gradients::random_values(C, 3), Writes::adds}},
                               forward, backward);
  });
}
