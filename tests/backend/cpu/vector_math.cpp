#include <tessera/backend/cpu/vector_math.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace {

using Lanes = tessera::cpu_detail::Lanes<xsimd::default_arch>;
using tessera::Index;
using tessera::cpu_detail::lanes;

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

float at(Lanes (*function)(const Lanes&), float x) {
  float y[lanes];
  function(Lanes::broadcast(x)).store(y);
  for (float other : y) CHECK((other == y[0] || std::isnan(y[0])));
  return y[0];
}

Lanes exp_of(const Lanes& x) {
  return exp(x);
}
Lanes gelu_of(const Lanes& x) {
  return gelu(x);
}
Lanes gelu_slope_of(const Lanes& x) {
  return gelu_and_slope(x).slope;
}
Lanes sigmoid_of(const Lanes& x) {
  return sigmoid(x);
}
Lanes silu_of(const Lanes& x) {
  return silu(x);
}
Lanes silu_slope_of(const Lanes& x) {
  return silu_slope(x);
}
Lanes tanh_of(const Lanes& x) {
  return tanh(x);
}

/// The largest error(x, function(x)) over evenly spaced x.
template <class Error>
double worst(Lanes (*function)(const Lanes&), double from, double to, Index count, Error&& error) {
  double result = 0;
  for (Index i = 0; i < count; i += lanes) {
    float x[lanes];
    float y[lanes];
    for (Index j = 0; j < lanes; ++j) {
      x[j] = static_cast<float>(from + (to - from) * static_cast<double>(i + j) / static_cast<double>(count));
    }
    function(Lanes::load(x)).store(y);
    for (Index j = 0; j < lanes; ++j) result = std::max(result, error(static_cast<double>(x[j]), y[j]));
  }
  return result;
}

double ulp_error(double truth, float value) {
  const double ulp = std::ldexp(1.0, std::ilogb(truth) - 23);
  return std::abs(static_cast<double>(value) - truth) / ulp;
}

}  // namespace

TEST_CASE("exp is within one ULP of the exact value over its range") {
  const auto error = [](double x, float y) { return ulp_error(std::exp(x), y); };
  CHECK(worst(exp_of, -87.0, 88.0, 4'000'000, error) <= 1.0);
  CHECK(worst(exp_of, -1.0, 1.0, 4'000'000, error) <= 1.0);
  CHECK(at(exp_of, 0.0F) == 1.0F);
}

TEST_CASE("exp outside its range") {
  CHECK(at(exp_of, -infinity) == 0.0F);
  CHECK(at(exp_of, -1e30F) == 0.0F);
  CHECK(at(exp_of, -87.01F) == 0.0F);
  CHECK(at(exp_of, infinity) == at(exp_of, 88.0F));
  CHECK(at(exp_of, 1e30F) == at(exp_of, 88.0F));
  CHECK(std::isnan(at(exp_of, not_a_number)));
  CHECK(std::isnan(at(exp_of, -not_a_number)));
}

TEST_CASE("gelu is exact to 2e-7, relative to 1 or to |x|") {
  const auto error = [](double x, float y) {
    const double truth = x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    return std::abs(static_cast<double>(y) - truth) / std::max(1.0, std::abs(x));
  };
  CHECK(worst(gelu_of, -12.0, 12.0, 4'000'000, error) <= 2e-7);
  CHECK(worst(gelu_of, -1000.0, 1000.0, 100'000, error) <= 2e-7);
}

TEST_CASE("gelu near zero is x / 2 to float32's relative precision") {
  for (float x : {1e-3F, -1e-3F, 1e-10F, -1e-20F}) {
    const double wide = static_cast<double>(x);
    const double truth = wide * 0.5 * std::erfc(-wide / std::sqrt(2.0));
    CHECK(static_cast<double>(at(gelu_of, x)) == doctest::Approx(truth).epsilon(5e-7));
  }
  CHECK(at(gelu_of, 0.0F) == 0.0F);
}

TEST_CASE("gelu of very large values and of NaN") {
  CHECK(at(gelu_of, infinity) == infinity);
  CHECK(at(gelu_of, 1e30F) == 1e30F);
  CHECK(std::abs(at(gelu_of, -1e30F)) <= 2e-7F);
  CHECK(std::abs(at(gelu_of, -infinity)) <= 2e-7F);
  CHECK(std::isnan(at(gelu_of, not_a_number)));
  // Training and inference see the same activations.
  for (float x = -6.5F; x < 6.5F; x += 0.01F) {
    CHECK(at([](const Lanes& v) { return gelu_and_slope(v).value; }, x) == at(gelu_of, x));
  }
}

TEST_CASE("gelu's slope is exact to 3e-7") {
  const auto error = [](double x, float y) {
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2.0 * 3.14159265358979323846);
    return std::abs(static_cast<double>(y) - (0.5 * std::erfc(-x / std::sqrt(2.0)) + x * density));
  };
  CHECK(worst(gelu_slope_of, -12.0, 12.0, 4'000'000, error) <= 3e-7);
  CHECK(at(gelu_slope_of, 0.0F) == 0.5F);
  CHECK(at(gelu_slope_of, infinity) == doctest::Approx(1.0).epsilon(3e-7));
  CHECK(std::abs(at(gelu_slope_of, -infinity)) <= 3e-7F);
  CHECK(std::isnan(at(gelu_slope_of, not_a_number)));
}

TEST_CASE("sigmoid and silu are exact to 3e-7 of their value") {
  const auto sigmoid_error = [](double x, float y) {
    return std::abs(static_cast<double>(y) * (1.0 + std::exp(-x)) - 1.0);
  };
  CHECK(worst(sigmoid_of, -86.0, 100.0, 4'000'000, sigmoid_error) <= 3e-7);
  const auto silu_error = [](double x, float y) {
    return x == 0.0 ? std::abs(static_cast<double>(y))
                    : std::abs(static_cast<double>(y) * (1.0 + std::exp(-x)) / x - 1.0);
  };
  CHECK(worst(silu_of, -86.0, 100.0, 4'000'000, silu_error) <= 3e-7);
  CHECK(at(sigmoid_of, 0.0F) == 0.5F);
  CHECK(at(silu_of, 1e30F) == 1e30F);
  CHECK(std::abs(at(silu_of, -1000.0F)) <= 1e-30F);
  CHECK(std::isnan(at(silu_of, not_a_number)));
}

TEST_CASE("silu's slope is exact to 3e-7") {
  const auto error = [](double x, float y) {
    const double s = 1.0 / (1.0 + std::exp(-x));
    return std::abs(static_cast<double>(y) - s * (1.0 + x * (1.0 - s)));
  };
  CHECK(worst(silu_slope_of, -100.0, 100.0, 4'000'000, error) <= 3e-7);
  CHECK(at(silu_slope_of, 0.0F) == 0.5F);
  CHECK(std::isnan(at(silu_slope_of, not_a_number)));
}

TEST_CASE("tanh is exact to 3e-7 of its value, however small") {
  const auto error = [](double x, float y) {
    return x == 0.0 ? std::abs(static_cast<double>(y)) : std::abs(static_cast<double>(y) / std::tanh(x) - 1.0);
  };
  CHECK(worst(tanh_of, -12.0, 12.0, 4'000'000, error) <= 3e-7);
  CHECK(worst(tanh_of, -1.0, 1.0, 4'000'000, error) <= 3e-7);
  CHECK(worst(tanh_of, -1e-3, 1e-3, 1'000'000, error) <= 3e-7);
  CHECK(at(tanh_of, 1e-30F) == 1e-30F);
  CHECK(at(tanh_of, 0.0F) == 0.0F);
  CHECK(at(tanh_of, infinity) == 1.0F);
  CHECK(at(tanh_of, -infinity) == -1.0F);
  CHECK(at(tanh_of, 1e30F) == 1.0F);
  CHECK(std::isnan(at(tanh_of, not_a_number)));
}
