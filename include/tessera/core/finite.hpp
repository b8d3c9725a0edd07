// The one rule for numbers that are NaN or infinite: what takes them as images, tokens, texts, weights or gradients
// refuses them, and names the first.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <tessera/core/error.hpp>
#include <tessera/core/layout.hpp>
#include <tessera/core/parallel.hpp>

namespace tessera {

/// The largest of |values|, 0 of none; NaN or infinity where one of them is.
inline float largest_magnitude(View<const float> values) {
  constexpr Index step = Index{1} << 18;
  const Index count = static_cast<Index>(values.size());
  std::atomic<std::uint32_t> largest = 0;
  parallel_for(ceil_div(count, step), [&](Index i) {
    std::uint32_t here = 0;  // without its sign a float's bits are in the order of its value, NaN above infinity
    for (const float x : slice(values, i * step, std::min(step, count - i * step))) {
      here = std::max(here, std::bit_cast<std::uint32_t>(x) & 0x7fffffffU);
    }
    for (std::uint32_t seen = largest; here > seen && !largest.compare_exchange_weak(seen, here);) continue;
  });
  return std::bit_cast<float>(largest.load());
}

/// The place of the first NaN or infinity; values.size() where there is none.
inline std::size_t first_not_finite(View<const float> values) {
  if (std::isfinite(largest_magnitude(values))) return values.size();
  return static_cast<std::size_t>(std::ranges::find_if_not(values, [](float x) { return std::isfinite(x); }) -
                                  values.begin());
}

/// "NaN" or "infinity", for a number that is not finite.
inline std::string not_finite_text(double x) {
  return std::isnan(x) ? "NaN" : "infinity";
}

/// values: `per_image` an image. Throws Error(bad_argument) that names the first image with a NaN or infinity; what:
/// "", or "the text of " or the like.
inline void check_finite_images(std::string_view subject, std::string_view what, View<const float> values,
                                Index per_image) {
  const std::size_t wrong = first_not_finite(values);
  if (wrong == values.size()) return;
  throw Error(ErrorCode::bad_argument, subject,
              not_finite_text(values[wrong]) + " in " + std::string(what) + "image " +
                  std::to_string(static_cast<Index>(wrong) / per_image),
              "finite numbers");
}

/// Throws Error(code) that names the tensor if a value of it is NaN or infinite. file: that it is in, or "".
inline void check_finite(std::string_view file, std::string_view tensor, View<const float> values,
                         ErrorCode code = ErrorCode::bad_file) {
  const std::size_t wrong = first_not_finite(values);
  if (wrong == values.size()) return;
  throw Error(code, (file.empty() ? "" : std::string(file) + ": ") + "'" + std::string(tensor) + "'",
              not_finite_text(values[wrong]) + " at element " + std::to_string(wrong), "finite weights");
}

}  // namespace tessera
