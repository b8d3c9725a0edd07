// The training loss's gradient in float32 on any backend, against the reference in double.
#pragma once

#include <nn/model_cases.hpp>

namespace tessera::testing {

template <Config config, class B>
void check_gradients_of(Index batch, PassOptions options) {
  gradients::SmallModel<config, reference<double>> exact(batch, options);
  gradients::SmallModel<config, B> model(batch, options);
  const double exact_loss = exact.forward().total();
  CHECK(static_cast<double>(model.forward().total()) == doctest::Approx(exact_loss).epsilon(1e-5).scale(0));
  if (options.quantize) CHECK(model.ids() == exact.ids());

  AlignedBuffer<double> expected(ParameterTable<config>::size);
  typename B::template Buffer<float> gradient(ParameterTable<config>::size);
  exact.backward(expected.view());
  model.backward(gradient.view());
  std::vector<float> found(static_cast<std::size_t>(gradient.size()));
  B::download(gradient.view(), found);
  double overall = 0;
  for (const double value : expected.view()) overall = std::max(overall, std::fabs(value));
  for (const Parameter& p : ParameterTable<config>::parameters()) {
    CAPTURE(p.name);
    const auto values = slice(View<const float>(found), p);
    const auto truth = slice(expected.view(), p);
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

template <class B>
void check_small_model_gradients(PassOptions options) {
  gradients::for_each_small_model([&]<Config config>(const std::string& name, Index batch) {
    CAPTURE(name);
    check_gradients_of<config, B>(batch, options);
  });
}

template <class B>
void check_tiny_model_gradients(PassOptions options) {
  gradients::for_each_tiny_model([&]<Config config>(const std::string& name, Index batch) {
    CAPTURE(name);
    check_gradients_of<config, B>(batch, options);
  });
}

}  // namespace tessera::testing
