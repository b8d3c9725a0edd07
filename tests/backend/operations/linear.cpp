// Matrix products against the reference backend in double, and their bits against themselves: with
// any number of threads, and for a row alone and inside a batch.
#include <doctest/doctest.h>

#include <algorithm>
#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/linear.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <tessera/backend/reference/linear.hpp>
#include <tuple>
#include <vector>

namespace {

using namespace tessera;
using testing::Tested;
using Truth = reference_detail::LinearOps<double>;
using Floats = std::vector<float>;
using testing::as;
using testing::distance;
using testing::poisoned;
using testing::random_values;

template <class F>
void for_each_case(F&& f) {
  std::apply(
      [&](auto... cases) {
        const auto run = [&](auto c) {
          const std::string name =
              std::to_string(c.rows) + " rows, " + std::to_string(c.in) + " -> " + std::to_string(c.out);
          CAPTURE(name);
          f(c);
        };
        (run(cases), ...);
      },
      cases::linear_test_cases);
}

template <class Case>
Floats packed(Case c, const Floats& weight) {
  Floats values = poisoned<float>(Tested::packed_weight_size(c.size));
  Tested::pack_weight(c.size, weight, values);
  return values;
}

template <class Case>
Floats packed_transposed(Case c, const Floats& weight) {
  Floats values = poisoned<float>(Tested::packed_weight_size(c.size));
  Tested::pack_weight_transposed(c.size, weight, values);
  return values;
}

/// The slopes at the very sums that gelu sees: of sums in double they would differ by the sums' own error.
template <class Case>
std::vector<double> slopes_truth(Case c, const Floats& x, const Floats& weights, View<const float> bias) {
  Floats sums = poisoned<float>(c.rows * c.out);
  Tested::linear(c.size, c.rows, x, weights, {.bias = bias}, sums);
  std::vector<double> slopes = as<double>(sums);
  for (double& value : slopes) value = reference_detail::gelu_slope(value);
  return slopes;
}

}  // namespace

TEST_CASE("linear is the reference's, with every epilogue") {
  for_each_case([](auto c) {
    const Floats x = random_values(c.rows * c.in, 1);
    const Floats weight = random_values(c.in * c.out, 2);
    const Floats bias = random_values(c.out, 3);
    const Floats residual = random_values(c.rows * c.out, 4);
    const Floats weights = packed(c, weight);
    const auto x_truth = as<double>(x);
    const auto weight_truth = as<double>(weight);
    const auto bias_truth = as<double>(bias);
    const auto residual_truth = as<double>(residual);
    for (int parts = 0; parts < 32; ++parts) {
      CAPTURE(parts);
      const bool with_bias = parts & 1, gelu = parts & 2, with_slope = gelu && (parts & 4), with_residual = parts & 8;
      const bool in_place = with_residual && (parts & 16);
      Floats y = in_place ? residual : poisoned<float>(c.rows * c.out);
      Floats slope = poisoned<float>(with_slope ? c.rows * c.out : 0);
      std::vector<double> y_truth(y.size());
      LinearEpilogue<float> epilogue{.gelu = gelu, .gelu_slope = slope};
      LinearEpilogue<double> epilogue_truth{.gelu = gelu};
      if (with_bias) epilogue.bias = bias, epilogue_truth.bias = bias_truth;
      if (with_residual) epilogue.residual = in_place ? y : residual, epilogue_truth.residual = residual_truth;
      Tested::linear(c.size, c.rows, x, weights, epilogue, y);
      Truth::linear(c.size, c.rows, x_truth, weight_truth, epilogue_truth, y_truth);
      CHECK(distance(y, y_truth) < cases::linear_tolerance);
      if (with_slope) CHECK(distance(slope, slopes_truth(c, x, weights, epilogue.bias)) < cases::linear_tolerance);
    }
  });
}

TEST_CASE("linear_backward_input is the reference's, with every epilogue") {
  for_each_case([](auto c) {
    const Floats dy = random_values(c.rows * c.out, 1);
    const Floats weight = random_values(c.in * c.out, 2);
    const Floats gelu_slope = random_values(c.rows * c.in, 3);
    const Floats residual = random_values(c.rows * c.in, 4);
    const Floats weights = packed_transposed(c, weight);
    const auto dy_truth = as<double>(dy);
    const auto weight_truth = as<double>(weight);
    const auto gelu_slope_truth = as<double>(gelu_slope);
    const auto residual_truth = as<double>(residual);
    for (int parts = 0; parts < 8; ++parts) {
      CAPTURE(parts);
      const bool with_gelu = parts & 1, with_residual = parts & 2, in_place = with_residual && (parts & 4);
      Floats dx = in_place ? residual : poisoned<float>(c.rows * c.in);
      std::vector<double> dx_truth(dx.size());
      LinearBackwardEpilogue<float> epilogue;
      LinearBackwardEpilogue<double> epilogue_truth;
      if (with_gelu) epilogue.gelu_slope = gelu_slope, epilogue_truth.gelu_slope = gelu_slope_truth;
      if (with_residual) epilogue.residual = in_place ? dx : residual, epilogue_truth.residual = residual_truth;
      Tested::linear_backward_input(c.size, c.rows, dy, weights, epilogue, dx);
      Truth::linear_backward_input(c.size, c.rows, dy_truth, weight_truth, epilogue_truth, dx_truth);
      CHECK(distance(dx, dx_truth) < cases::linear_tolerance);
    }
  });
}

TEST_CASE("linear_backward_weight adds the reference's gradients") {
  for_each_case([](auto c) {
    const Floats x = random_values(c.rows * c.in, 1);
    const Floats dy = random_values(c.rows * c.out, 2);
    for (const bool with_bias : {true, false}) {
      Floats dweight = random_values(c.in * c.out, 3);
      Floats dbias = random_values(with_bias ? c.out : 0, 4);
      auto dweight_truth = as<double>(dweight);
      auto dbias_truth = as<double>(dbias);
      Floats scratch = poisoned<float>(Tested::linear_backward_scratch(c.size, c.rows));
      Tested::linear_backward_weight(c.size, c.rows, x, dy, scratch, dweight, dbias);
      Truth::linear_backward_weight(c.size, c.rows, as<double>(x), as<double>(dy), {}, dweight_truth, dbias_truth);
      CHECK(distance(dweight, dweight_truth) < cases::linear_tolerance);
      CHECK(distance(dbias, dbias_truth) < cases::linear_tolerance);
    }
  });
}

namespace {

/// Everything that the three products write.
struct Products {
  Floats y, slope, dx, dweight, dbias;
  bool operator==(const Products&) const = default;
};

template <class Case>
Products products(Case c, const Floats& x, const Floats& dy, const Floats& weight) {
  const Floats bias = random_values(c.out, 5);
  Products p{poisoned<float>(c.rows * c.out), poisoned<float>(c.rows * c.out), poisoned<float>(c.rows * c.in),
             Floats(weight.size()), Floats(bias.size())};
  Floats scratch = poisoned<float>(Tested::linear_backward_scratch(c.size, c.rows));
  Tested::linear(c.size, c.rows, x, packed(c, weight), {.bias = bias, .gelu = true, .gelu_slope = p.slope}, p.y);
  Tested::linear_backward_input(c.size, c.rows, dy, packed_transposed(c, weight), {.gelu_slope = x}, p.dx);
  Tested::linear_backward_weight(c.size, c.rows, x, dy, scratch, p.dweight, p.dbias);
  return p;
}

}  // namespace

TEST_CASE("the products have the same bits with 1, 2 and 3 threads") {
  for_each_case([](auto c) {
    const Floats x = random_values(c.rows * c.in, 1);
    const Floats dy = random_values(c.rows * c.out, 2);
    const Floats weight = random_values(c.in * c.out, 3);
    set_thread_count(1);
    const Products one = products(c, x, dy, weight);
    for (const int threads : {2, 3}) {
      set_thread_count(threads);
      CHECK(products(c, x, dy, weight) == one);
    }
    set_thread_count(0);
  });
}

TEST_CASE("a row has the same bits alone and inside a batch, and gradients add up in the order of the rows") {
  for_each_case([](auto c) {
    const Floats x = random_values(c.rows * c.in, 1);
    const Floats dy = random_values(c.rows * c.out, 2);
    const Floats weight = random_values(c.in * c.out, 3);
    const Products whole = products(c, x, dy, weight);
    Floats dweight(weight.size());
    Floats dbias(static_cast<std::size_t>(c.out));
    Floats scratch = poisoned<float>(Tested::linear_backward_scratch(c.size, 1));
    for (Index r = 0; r < c.rows; ++r) {
      const Floats x_row(x.begin() + r * c.in, x.begin() + (r + 1) * c.in);
      const Floats dy_row(dy.begin() + r * c.out, dy.begin() + (r + 1) * c.out);
      if (testing::rows_stand_alone && r % 7 == 0) {
        decltype(c) alone{1};
        const Products one = products(alone, x_row, dy_row, weight);
        CHECK(std::equal(one.y.begin(), one.y.end(), whole.y.begin() + r * c.out));
        CHECK(std::equal(one.slope.begin(), one.slope.end(), whole.slope.begin() + r * c.out));
        CHECK(std::equal(one.dx.begin(), one.dx.end(), whole.dx.begin() + r * c.in));
      }
      Tested::linear_backward_weight(c.size, 1, x_row, dy_row, scratch, dweight, dbias);
    }
    if constexpr (testing::adds_in_order) {
      CHECK(dweight == whole.dweight);
      CHECK(dbias == whole.dbias);
    }
  });
}
