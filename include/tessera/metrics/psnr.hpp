// Peak signal-to-noise ratio.
#pragma once

#include <cmath>
#include <limits>
#include <string>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>

namespace tessera {

/// Mean of (a - b)^2, in double, summed in index order. T: uint8 or float. Throws Error(bad_argument) if the sizes
/// differ or are 0.
template <class T>
double mean_squared_error(View<const T> a, View<const T> b) {
  if (a.size() != b.size() || a.empty()) {
    throw Error(ErrorCode::bad_argument, "mean_squared_error",
                std::to_string(a.size()) + " and " + std::to_string(b.size()) + " elements", "equal sizes above 0");
  }
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference;
  }
  return sum / static_cast<double>(a.size());
}

/// 10 log10(peak^2 / mean squared error) in dB; infinity for equal images. Any layout, as long as it is the same;
/// `peak` is the width of the range: 255 for 8-bit pixels, 1 for [0,1], 2 for [-1,1]. Throws as mean_squared_error.
template <class T>
double psnr(View<const T> a, View<const T> b, double peak) {
  const double error = mean_squared_error(a, b);
  return error > 0.0 ? 10.0 * std::log10(peak * peak / error) : std::numeric_limits<double>::infinity();
}

}  // namespace tessera
