// The training loss's gradient in float32 on the cpu backend, against the reference in double.
#include <nn/model_cases.hpp>

#include <tessera/backend/cpu/cpu.hpp>

using namespace tessera;
using gradients::SmallModel;

namespace {

template <Config config>
void check_model(Index batch, PassOptions options) {
  SmallModel<config, reference<double>> exact(batch, options);
  SmallModel<config, cpu> model(batch, options);
  const double exact_loss = exact.forward().total();
  CHECK(static_cast<double>(model.forward().total()) == doctest::Approx(exact_loss).epsilon(1e-5).scale(0));
  if (options.quantize) CHECK(std::ranges::equal(model.ids(), exact.ids()));

  AlignedBuffer<double> expected(ParameterTable<config>::size);
  AlignedBuffer<float> found(ParameterTable<config>::size);
  exact.backward(expected.view());
  model.backward(found.view());
  double overall = 0;
  for (const double value : expected.view()) overall = std::max(overall, std::fabs(value));
  for (const Parameter& p : ParameterTable<config>::parameters()) {
    CAPTURE(p.name);
    const auto values = slice(found.view(), p.offset, p.dims.count());
    const auto truth = slice(expected.view(), p.offset, p.dims.count());
    double largest = 0;
    double worst = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double error = std::fabs(double{values[i]} - truth[i]);
      worst = std::max(worst, std::isnan(error) ? std::numeric_limits<double>::infinity() : error);
      largest = std::max(largest, std::fabs(truth[i]));
    }
    // Zero but for rounding: a bias before a norm whose groups are one channel wide.
    const bool vanishes = largest < 1e-12 * overall;
    CHECK(worst <= (vanishes ? 1e-5 * overall : 1e-4 * largest));
  }
}

void check_all(PassOptions options) {
  gradients::for_each_small_model([&]<Config config>(const std::string& name, Index batch) {
    CAPTURE(name);
    check_model<config>(batch, options);
  });
}

}  // namespace

TEST_CASE("cpu: gradients of the usual loss") {
  check_all({.kl_weight = 0.5});
}
TEST_CASE("cpu: gradients of the golden models") {
  gradients::for_each_tiny_model([&]<Config config>(const std::string& name, Index batch) {
    CAPTURE(name);
    check_model<config>(batch, {.kl_weight = 0.5});
  });
}
TEST_CASE("cpu: gradients of the absolute error") {
  check_all({.reconstruction = ReconstructionLoss::l1});
}
TEST_CASE("cpu: gradients without quantization") {
  check_all({.quantize = false});
}
