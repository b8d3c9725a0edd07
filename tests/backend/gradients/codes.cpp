#include <cases/codes.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

TEST_CASE("gather_codes: gradients, codes used often and never") {
  cases::codes([]<Index K, Index C>(Shape<K, C>, Index rows) {
    std::vector<Token> ids;
    for (Index r = 0; r < rows; ++r) ids.push_back(static_cast<Token>(r * r % K));
    const auto forward = [&]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> zq = gradients::poisoned<T>(rows * C);
      reference<T>::gather_codes(shape<C>, rows, in[0], ids, zq);
      return zq;
    };
    const auto backward = [&](const std::vector<Values<double>>&, const Values<double>& dzq, auto& d) {
      reference<double>::gather_codes_backward(shape<C>, rows, dzq, ids, d[0]);
    };
    gradients::check_gradients({{"codes", gradients::random_values(K * C, 1), Writes::adds}}, forward, backward);
  });
}

TEST_CASE("normalize_rows: gradients, for rows longer and shorter than the smallest norm") {
  cases::codes([]<Index K, Index C>(Shape<K, C>, Index rows) {
    const auto forward = [rows]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> y = gradients::poisoned<T>(rows * C);
      Values<T> norm = gradients::poisoned<T>(rows);
      reference<T>::normalize_rows(shape<C>, rows, in[0], y, norm);
      return y;
    };
    const auto backward = [rows](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
      Values<double> y = gradients::poisoned<double>(rows * C);
      Values<double> norm = gradients::poisoned<double>(rows);
      reference<double>::normalize_rows(shape<C>, rows, in[0], y, norm);
      reference<double>::normalize_rows_backward(shape<C>, rows, y, norm, dy, d[0]);
    };
    Values<double> x = gradients::random_values(rows * C, 1);
    gradients::check_gradients({{"x", x, Writes::adds}}, forward, backward);
    for (double& value : x) value *= 1e-14;
    gradients::check_gradients({{"tiny x", x, Writes::adds}}, forward, backward);
    gradients::check_gradients({{"zero x", Values<double>(x.size()), Writes::adds}}, forward, backward);
  });
}
