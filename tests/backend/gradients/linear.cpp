#include <cases/linear.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

namespace {

// The MLP of a transformer block: y = x + gelu(x W1^T + b1) W2^T + b2, so that both epilogues take part.
template <Index In, Index Out>
void check_mlp(Index rows) {
  const auto forward = [rows]<class T>(reference<T>, const std::vector<Values<T>>& in) {
    using B = reference<T>;
    Values<T> hidden = gradients::poisoned<T>(rows * Out);
    Values<T> y = in[0];  // the residual may be y itself
    B::linear(shape<In, Out>, rows, in[0], in[1], {.bias = in[2], .gelu = true}, hidden);
    B::linear(shape<Out, In>, rows, hidden, in[3], {.bias = in[4], .residual = y}, y);
    return y;
  };
  const auto backward = [rows](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
    using B = reference<double>;
    Values<double> slope = gradients::poisoned<double>(rows * Out);
    Values<double> hidden = slope;
    Values<double> dpre = slope;
    Values<double> scratch1(B::linear_backward_scratch(shape<In, Out>, rows));
    Values<double> scratch2(B::linear_backward_scratch(shape<Out, In>, rows));
    B::linear(shape<In, Out>, rows, in[0], in[1], {.bias = in[2], .gelu = true, .gelu_slope = slope}, hidden);
    B::linear_backward_weight(shape<Out, In>, rows, hidden, dy, scratch2, d[3], d[4]);
    B::linear_backward_input(shape<Out, In>, rows, dy, in[3], {.gelu_slope = slope}, dpre);
    B::linear_backward_weight(shape<In, Out>, rows, in[0], dpre, scratch1, d[1], d[2]);
    B::linear_backward_input(shape<In, Out>, rows, dpre, in[1], {.residual = dy}, d[0]);
  };
  gradients::check_gradients({{"x", gradients::random_values(rows * In, 1), Writes::overwrites},
                              {"W1", gradients::random_values(In * Out, 2), Writes::adds},
                              {"b1", gradients::random_values(Out, 3), Writes::adds},
                              {"W2", gradients::random_values(In * Out, 4), Writes::adds},
                              {"b2", gradients::random_values(In, 5), Writes::adds}},
                             forward, backward);
}

}  // namespace

TEST_CASE("linear: gradients through gelu, bias and residual") {
  constexpr Index most_products = 20'000;  // the larger cases are there for blocked kernels
  std::apply(
      [](auto... c) { (..., (c.in * c.out * c.rows <= most_products ? check_mlp<c.in, c.out>(c.rows) : void())); },
      cases::linear_test_cases);
}
