#include <cases/group_norm.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

TEST_CASE("group_norm_silu: gradients") {
  cases::group_norm([]<Index C, Index G>(Shape<C, G> sizes, Index batch, Index pixels) {
    const Index size = batch * pixels * C;
    const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> y = gradients::poisoned<T>(size);
      reference<T>::group_norm_silu(sizes, batch, pixels, in[0], in[1], in[2], y, {}, {});
      return y;
    };
    const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
      using B = reference<double>;
      Values<double> y = gradients::poisoned<double>(size);
      Values<double> mean = gradients::poisoned<double>(batch * G);
      Values<double> rstd = mean;
      B::group_norm_silu(sizes, batch, pixels, in[0], in[1], in[2], y, mean, rstd);
      B::group_norm_silu_backward(sizes, batch, pixels, in[0], in[1], in[2], mean, rstd, dy, d[0], d[1], d[2]);
    };
    gradients::check_gradients({{"x", gradients::random_values(size, 1), Writes::adds},
                                {"weight", gradients::random_values(C, 2), Writes::adds},
                                {"bias", gradients::random_values(C, 3), Writes::adds}},
                               forward, backward);
  });
}
