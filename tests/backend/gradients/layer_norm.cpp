#include <cases/layer_norm.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using testing::Values;
using testing::Writes;

TEST_CASE("layer_norm: gradients") {
  cases::layer_norm([]<Index D>(Shape<D>, Index rows) {
    const auto forward = [rows]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> y = testing::poisoned<T>(rows * D);
      reference<T>::layer_norm(shape<D>, rows, in[0], in[1], in[2], y, {}, {});
      return y;
    };
    const auto backward = [rows](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
      using B = reference<double>;
      Values<double> y = testing::poisoned<double>(rows * D);
      Values<double> mean = testing::poisoned<double>(rows);
      Values<double> rstd = mean;
      B::layer_norm(shape<D>, rows, in[0], in[1], in[2], y, mean, rstd);
      B::layer_norm_backward(shape<D>, rows, in[0], in[1], mean, rstd, dy, d[0], d[1], d[2]);
    };
    testing::check_gradients({{"x", testing::random_values(rows * D, 1), Writes::adds},
                              {"weight", testing::random_values(D, 2), Writes::adds},
                              {"bias", testing::random_values(D, 3), Writes::adds}},
                             forward, backward);
  });
}
