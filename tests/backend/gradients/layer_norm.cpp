#include <cases/layer_norm.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

TEST_CASE("layer_norm: gradients") {
  cases::layer_norm([]<Index D>(Shape<D>, Index rows) {
    const auto forward = [rows]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> y = gradients::poisoned<T>(rows * D);
      reference<T>::layer_norm(shape<D>, rows, in[0], in[1], in[2], y, {}, {});
      return y;
    };
    const auto backward = [rows](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
      using B = reference<double>;
      Values<double> y = gradients::poisoned<double>(rows * D);
      Values<double> mean = gradients::poisoned<double>(rows);
      Values<double> rstd = mean;
      B::layer_norm(shape<D>, rows, in[0], in[1], in[2], y, mean, rstd);
      B::layer_norm_backward(shape<D>, rows, in[0], in[1], mean, rstd, dy, d[0], d[1], d[2]);
    };
    gradients::check_gradients({{"x", gradients::random_values(rows * D, 1), Writes::adds},
                                {"weight", gradients::random_values(D, 2), Writes::adds},
                                {"bias", gradients::random_values(D, 3), Writes::adds}},
                               forward, backward);
  });
}
