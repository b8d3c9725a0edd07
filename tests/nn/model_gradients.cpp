// The training loss's gradient by every parameter, against exact slopes.
#include <nn/model_cases.hpp>

using namespace tessera;
using gradients::SmallModel;
using gradients::Values;

namespace {

constexpr double start = 0.25;  // what the gradient is added to

/// Half of the gradient that backward adds with weight 2.
template <Config config>
Values<double> gradient(Index batch, PassOptions options) {
  SmallModel<config, reference<double>> model(batch, options);
  model.forward();
  Values<double> values(model.parameters().size(), start);
  model.backward(values);
  for (double& value : values) value = (value - start) / 2;
  return values;
}

/// Each parameter along a random direction, and `samples` of its elements alone.
template <Config config>
void check_model(Index batch, PassOptions options, std::size_t samples) {
  const Values<double> found = gradient<config>(batch, options);
  const auto direction = gradients::random_values(static_cast<Index>(found.size()), 8);
  SmallModel<config, reference<Dual>> model(batch, options);
  for (const Parameter& parameter : ParameterTable<config>::parameters()) {
    CAPTURE(parameter.name);
    const auto values = slice(model.parameters(), parameter);
    double largest = 0;
    double worst = 0;
    const auto compare = [&](double value) {
      const double slope = model.forward().total().slope;
      const double error = std::fabs(value - slope);
      worst = std::max(worst, std::isnan(error) ? std::numeric_limits<double>::infinity() : error);
      largest = std::max(largest, std::fabs(slope));
    };
    double along = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i].slope = direction[i];
      along += direction[i] * found[static_cast<std::size_t>(parameter.offset) + i];
    }
    compare(along);
    for (Dual& value : values) value.slope = 0;
    for (const std::size_t i : gradients::sample(values.size(), samples)) {
      values[i].slope = 1;
      compare(found[static_cast<std::size_t>(parameter.offset) + i]);
      values[i].slope = 0;
    }
    CHECK(worst < 1e-6 * (largest > 0 ? largest : 1));
  }
}

void check_all(PassOptions options) {
  gradients::for_each_small_model([&]<Config config>(const std::string& name, Index batch) {
    CAPTURE(name);
    check_model<config>(batch, options, config.has_pixel_decoder() ? 8 : 60);  // its 32 groups make it large
  });
}

}  // namespace

TEST_CASE("model: gradients of the usual loss") {
  check_all({.kl_weight = 0.5});
}
TEST_CASE("model: gradients of the golden models") {
  gradients::for_each_tiny_model([&]<Config config>(const std::string& name, Index batch) {
    CAPTURE(name);
    check_model<config>(batch, {.kl_weight = 0.5}, 0);
  });
}
TEST_CASE("model: gradients of the absolute error") {
  check_all({.reconstruction = ReconstructionLoss::l1});
}
TEST_CASE("model: gradients without quantization") {
  check_all({.quantize = false});
}
TEST_CASE("model: gradients while the codebook is a moving average") {
  check_all({.codebook_weight = 0});
}
