#include <cases/attention.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

TEST_CASE("attention: gradients") {
  cases::attention([]<Index D, Index heads>(Shape<D, heads>, Index batch, Index q_rows, Index kv_rows) {
    const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> y = gradients::poisoned<T>(batch * q_rows * D);
      reference<T>::attention(shape<D, heads>, batch, q_rows, kv_rows, in[0], in[1], y, {});
      return y;
    };
    const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
      using B = reference<double>;
      Values<double> y = gradients::poisoned<double>(batch * q_rows * D);
      Values<double> log_sum_exp = gradients::poisoned<double>(batch * heads * q_rows);
      B::attention(shape<D, heads>, batch, q_rows, kv_rows, in[0], in[1], y, log_sum_exp);
      B::attention_backward(shape<D, heads>, batch, q_rows, kv_rows, in[0], in[1], y, log_sum_exp, dy, d[0], d[1]);
    };
    gradients::check_gradients({{"q", gradients::random_values(batch * q_rows * D, 1), Writes::overwrites},
                                {"kv", gradients::random_values(batch * kv_rows * 2 * D, 2), Writes::overwrites}},
                               forward, backward);
  });
}
