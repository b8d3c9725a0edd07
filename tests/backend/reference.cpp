// Values that the gradient tests take for granted: small cases by hand.
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <doctest/doctest.h>

#include <tessera/backend/reference/reference.hpp>

using namespace tessera;

namespace {

using B = reference<double>;
using Values = std::vector<double>;
constexpr double unset = std::numeric_limits<double>::quiet_NaN();

/// 0, 1, 2, ...
Values counting(Index size) {
  Values values(static_cast<std::size_t>(size));
  std::iota(values.begin(), values.end(), 0.0);
  return values;
}

}  // namespace

TEST_CASE("linear: y = residual + gelu(x W^T + bias), and the slope of gelu") {
  const Values x{1, 2, 3};
  const Values weight{1, 0, -1, 0.5, 0.5, 0.5};
  const Values bias{2, -2};
  const Values residual{10, 20};
  Values y(2, unset);
  Values slope(2, unset);
  B::linear(shape<3, 2>, 1, x, weight, {.bias = bias, .gelu = true, .gelu_slope = slope, .residual = residual}, y);
  CHECK(slope[0] == 0.5);
  CHECK(slope[1] == doctest::Approx(1.0833154705876864).epsilon(1e-15));  // Phi(1) + phi(1)
  CHECK(y[0] == 10);
  CHECK(y[1] == doctest::Approx(20.841344746068543).epsilon(1e-15));  // Phi(1) = 0.8413447...
}

TEST_CASE("layer_norm: biased variance, eps 1e-5 inside the root") {
  const Values x{1, 3};
  const Values weight{2, 3};
  const Values bias{0.5, -0.5};
  Values y(2, unset);
  Values mean(1, unset);
  Values rstd(1, unset);
  B::layer_norm(shape<2>, 1, x, weight, bias, y, mean, rstd);
  const double scale = 1 / std::sqrt(1.00001);
  CHECK(mean[0] == 2);
  CHECK(rstd[0] == doctest::Approx(scale).epsilon(1e-15));
  CHECK(y[0] == doctest::Approx(0.5 - 2 * scale).epsilon(1e-15));
  CHECK(y[1] == doctest::Approx(-0.5 + 3 * scale).epsilon(1e-15));
}

TEST_CASE("attention: scores in the hundreds do not overflow, and the first head takes the first half") {
  const Values q{100, 0};
  const Values kv{10, 0, 1, 2, 10 - std::log(2.0) / 100, 0, 4, 6};  // two rows of k0 k1 v0 v1
  Values y(2, unset);
  Values log_sum_exp(2, unset);
  B::attention(shape<2, 2>, 1, 1, 2, q, kv, y, log_sum_exp);
  CHECK(y[0] == doctest::Approx(2));  // weights 2/3 and 1/3
  CHECK(y[1] == doctest::Approx(4));  // weights 1/2 and 1/2
  CHECK(log_sum_exp[0] == doctest::Approx(1000 + std::log(1.5)));
  CHECK(log_sum_exp[1] == doctest::Approx(std::log(2.0)));
}

TEST_CASE("copy_rows leaves other rows alone; first, step and shared rows") {
  const Values x = counting(8);  // 4 rows of 2
  const Values table{100, 200, 300, 400};
  Values y(12, -1.0);  // 2 images of 3 rows of 2
  B::copy_rows(shape<2>, 2, 2, RowBlock<const double>{x, 1, 1, 1}, table, RowBlock<double>{y, 3, 1});
  CHECK(y == Values{-1, -1, 102, 203, 304, 405, -1, -1, 104, 205, 306, 407});
  B::copy_rows(shape<2>, 2, 2, RowBlock<const double>{x, 0, 3, 0}, {}, RowBlock<double>{y, 3, 0, 2});
  CHECK(y == Values{6, 7, 102, 203, 6, 7, 6, 7, 104, 205, 6, 7});
}

TEST_CASE("patchify: (C, P, P) a patch; unpatchify: (P, P, C)") {
  const Values image = counting(16);  // 2 channels of 2 x 4
  Values patches(16, unset);
  B::patchify(shape<2, 2, 4, 2>, 1, image, patches);
  CHECK(patches == Values{0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15});
  const Values channels_last{0, 8, 1, 9, 4, 12, 5, 13, 2, 10, 3, 11, 6, 14, 7, 15};
  Values again(16, unset);
  B::unpatchify(shape<2, 2, 4, 2>, 1, channels_last, again);
  CHECK(again == image);
}

TEST_CASE("conv3x3: a cross-correlation with zeros around, [out channel, in channel, row, column]") {
  const Values x = counting(8);  // 2 channels of 2 x 2
  Values weight(36, 0.0);
  weight[4] = 1;       // out 0 <- in 0, centre
  weight[9 + 5] = 10;  // out 0 <- in 1, one to the right
  weight[18 + 1] = 1;  // out 1 <- in 0, one up
  const Values bias{100, 200};
  Values y(8, unset);
  B::conv3x3(shape<2, 2, 2>, 1, x, weight, bias, y);
  CHECK(y == Values{150, 101, 172, 103, 200, 200, 200, 201});
}

TEST_CASE("convolution: a cross-correlation with zeros around, channels last") {
  const Values x{0, 10, 1, 11, 2, 12, 3, 13};  // 2 x 2 pixels of 2 channels
  Values weight(18, 0.0);
  weight[4] = 1;      // in 0, centre
  weight[9 + 5] = 1;  // in 1, one to the right
  weight[1] = 100;    // in 0, one up
  const Values bias{1000};
  const Values residual{0.1, 0.2, 0.3, 0.4};
  Values packed(static_cast<std::size_t>(B::packed_convolution_size(shape<2, 1>)), unset);
  Values y(4, unset);
  B::pack_convolution(shape<2, 1>, weight, packed);
  B::convolution(shape<2, 2, 2, 1>, 1, x, packed, bias, residual, y);
  CHECK(y == Values{0.1 + 1011, 0.2 + 1001, 0.3 + 1015, 0.4 + 1103});
  B::convolution(shape<2, 2, 2, 1>, 1, x, packed, {}, {}, y);
  CHECK(y == Values{11, 1, 15, 103});
}

TEST_CASE("group_norm_silu: statistics over pixels and neighbouring channels, eps 1e-6 inside the root") {
  const Values x{1, 5, 10, 10, 3, 7, 10, 10};  // 2 pixels; channels 0, 1 and 2, 3
  const Values weight{1, 2, 1, 1};
  const Values bias{0, 1, 0.5, 0};
  Values y(8, unset);
  Values mean(2, unset);
  Values rstd(2, unset);
  B::group_norm_silu(shape<4, 2>, 1, 2, x, weight, bias, y, mean, rstd);
  const double scale = 1 / std::sqrt(5 + 1e-6);
  const auto silu = [](double v) { return v / (1 + std::exp(-v)); };
  CHECK(mean == Values{4, 10});
  CHECK(rstd[0] == doctest::Approx(scale).epsilon(1e-15));
  CHECK(rstd[1] == doctest::Approx(1000).epsilon(1e-15));
  CHECK(y[0] == doctest::Approx(silu(-3 * scale)).epsilon(1e-15));
  CHECK(y[5] == doctest::Approx(silu(6 * scale + 1)).epsilon(1e-15));
  CHECK(y[2] == doctest::Approx(silu(0.5)).epsilon(1e-15));
  CHECK(y[7] == 0);
}

TEST_CASE("upsample2: every pixel four times; transpose: each image alone") {
  const Values x = counting(4);  // 1 x 2 pixels of 2 channels
  Values y(16, unset);
  B::upsample2(shape<1, 2, 2>, 1, x, y);
  CHECK(y == Values{0, 1, 0, 1, 2, 3, 2, 3, 0, 1, 0, 1, 2, 3, 2, 3});
  const Values rows = counting(12);  // 2 images of 2 rows of 3
  Values columns(12, unset);
  B::transpose(shape<2, 3>, 2, rows, columns);
  CHECK(columns == Values{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11});
}

TEST_CASE("softmax: rows sum to 1, large values do not overflow") {
  const Values x{0, std::log(3.0), 1000, 1000 + std::log(3.0)};
  Values y(4, unset);
  B::softmax(shape<2>, 2, x, y);
  CHECK(y[0] == doctest::Approx(0.25).epsilon(1e-15));
  CHECK(y[1] == doctest::Approx(0.75).epsilon(1e-15));
  CHECK(y[2] == doctest::Approx(0.25).epsilon(1e-12));
}

TEST_CASE("Gaussians: mean, then log-variance, clamped to [-30, 20]") {
  const Values parameters{1, 2, 2 * std::log(3.0), 100};
  const Values noise{2, -1};
  Values z(2, unset);
  Values kl(1, unset);
  B::gaussian_sample(shape<2>, 1, parameters, noise, z);
  CHECK(z[0] == doctest::Approx(7).epsilon(1e-15));
  CHECK(z[1] == doctest::Approx(2 - std::exp(10.0)).epsilon(1e-15));
  B::gaussian_sample(shape<2>, 1, parameters, {}, z);
  CHECK(z == Values{1, 2});
  B::gaussian_kl(shape<2>, 1, parameters, kl);
  const double first = (1 + 9 - 1 - 2 * std::log(3.0)) / 2;
  CHECK(kl[0] == doctest::Approx(first + (4 + std::exp(20.0) - 1 - 20) / 2).epsilon(1e-15));
}

TEST_CASE("nearest_code: the lowest id on a tie, the margin to the runner-up") {
  const Values codes{5, 5, 1, 0, -1, 0, 5, 5};
  const Values z{0, 0, 5, 4, 0.9, 0};
  std::vector<Token> ids(3, -1);
  Values margins(3, unset);
  B::nearest_code(shape<4, 2>, 3, z, codes, ids, margins);
  CHECK(ids == std::vector<Token>{1, 0, 1});
  CHECK(margins[0] == 0);
  CHECK(margins[1] == 0);
  CHECK(margins[2] == doctest::Approx(1.9 * 1.9 - 0.1 * 0.1));
  B::nearest_code(shape<1, 2>, 3, z, codes, ids, margins);
  CHECK(ids == std::vector<Token>{0, 0, 0});
  CHECK(margins == Values(3, std::numeric_limits<double>::infinity()));
}

TEST_CASE("losses are means") {
  const Values x{1, 2, 3, 4};
  const Values target{1, 1, 1, 1};
  CHECK(B::squared_error(x, target) == 14.0 / 4);
  CHECK(B::absolute_error(target, x) == 6.0 / 4);
  CHECK(B::sum(x) == 10);
  CHECK(B::sum_of_squares(x) == 30);
  CHECK(B::quantizer_loss(x, target).codebook == 14.0 / 4);
  CHECK(B::quantizer_loss(x, target).commitment == 14.0 / 4);
}

TEST_CASE("adamw: bias correction makes the first step lr * sign(g), after the decay of the weight") {
  const AdamWStep step{.learning_rate = 0.1,
                       .beta1 = 0.9,
                       .beta2 = 0.99,
                       .eps = 0,
                       .weight_decay = 0.5,
                       .gradient_scale = 0.25,
                       .step = 1};
  const Values gradient{8, -4};
  Values parameter{1, 2};
  Values first(2, 0.0);
  Values second(2, 0.0);
  B::adamw(step, gradient, parameter, first, second);
  CHECK(first[0] == doctest::Approx(0.2));
  CHECK(second[1] == doctest::Approx(0.01));
  CHECK(parameter[0] == doctest::Approx(0.95 - 0.1));
  CHECK(parameter[1] == doctest::Approx(1.9 + 0.1));
}

TEST_CASE("moving_average and fill") {
  const Values x{1, 2};
  Values average{3, 4};
  B::moving_average(0.75, x, average);
  CHECK(average == Values{2.5, 3.5});
  B::fill(7.0, average);
  CHECK(average == Values{7, 7});
}

TEST_CASE("Dual: the slope of a quotient, of a chain, and of a constant") {
  using std::sqrt;
  const Dual x(3, 1);
  CHECK((x / (x + 1)).slope == doctest::Approx(1.0 / 16));
  CHECK(log(exp(sqrt(x * x + 16))).slope == doctest::Approx(3.0 / 5));
  CHECK(erf(x - 3).slope == doctest::Approx(2 / std::sqrt(std::acos(-1.0))));
  CHECK(fabs(2 - x).slope == 1);
  CHECK(detach(x).slope == 0);
  CHECK(detach(x).value == 3);
}
