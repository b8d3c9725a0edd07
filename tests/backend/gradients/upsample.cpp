#include <cases/upsample.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

TEST_CASE("upsample2: gradients") {
  cases::upsample([]<Index H, Index W, Index C>(Shape<H, W, C> sizes, Index batch) {
    const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> y = gradients::poisoned<T>(4 * batch * H * W * C);
      reference<T>::upsample2(sizes, batch, in[0], y);
      return y;
    };
    const auto backward = [=](const std::vector<Values<double>>&, const Values<double>& dy, auto& d) {
      reference<double>::upsample2_backward(sizes, batch, dy, d[0]);
    };
    gradients::check_gradients({{"x", gradients::random_values(batch * H * W * C, 1), Writes::overwrites}}, forward,
                               backward);
  });
}
