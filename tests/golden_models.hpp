// The published code's small models: their sizes, where their files lie (tests/golden/NAME), and how they are compared.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include <tessera/core/types.hpp>
#include <tessera/presets.hpp>

namespace tessera::testing {

inline std::filesystem::path golden_folder(const std::string& name) {
  return std::filesystem::path(TESSERA_TEST_DATA) / "golden" / name;
}

/// f.operator()<config>(name) for every model with golden training steps.
void for_each_trained_golden_model(auto&& f) {
  f.template operator()<presets::tiny_patch>("tiny_patch");
  f.template operator()<presets::tiny_latent>("tiny_latent");
  f.template operator()<presets::odd_latent>("odd_latent");
  f.template operator()<presets::one_token>("one_token");
  f.template operator()<presets::tiny_titok_vq>("tiny_titok_vq");
  f.template operator()<presets::tiny_titok_cosine>("tiny_titok_cosine");
}

/// f.operator()<config>(name) for every model.
void for_each_golden_model(auto&& f) {
  for_each_trained_golden_model(f);
  f.template operator()<presets::tiny_titok_vae>("tiny_titok_vae");
  f.template operator()<presets::tiny_tatitok_vq>("tiny_tatitok_vq");
  f.template operator()<presets::tiny_tatitok_vae>("tiny_tatitok_vae");
  f.template operator()<presets::tiny_titok_legacy>("tiny_titok_legacy");
}

/// max |x - expected| / max |expected|; NaN anywhere gives infinity. skip(i): leave out element i.
template <class Skip>
double relative_difference(View<const float> x, View<const float> expected, Skip&& skip) {
  REQUIRE(x.size() == expected.size());
  double difference = 0;
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    largest = std::max(largest, std::fabs(double{expected[i]}));
    if (skip(i)) continue;
    const double d = std::fabs(double{x[i]} - double{expected[i]});
    difference = std::max(difference, std::isnan(d) ? std::numeric_limits<double>::infinity() : d);
  }
  return difference / largest;
}
inline double relative_difference(View<const float> x, View<const float> expected) {
  return relative_difference(x, expected, [](std::size_t) { return false; });
}

}  // namespace tessera::testing
