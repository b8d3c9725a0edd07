// How far values are from what they should be.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

namespace tessera::benchmarks {

/// |found - expected| / |expected|, by Euclid's norm; NaN where a value is none.
template <class T>
double relative_error(std::span<const T> found, std::span<const T> expected) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    error += std::pow(static_cast<double>(found[i]) - static_cast<double>(expected[i]), 2);
    norm += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(error / norm);
}

}  // namespace tessera::benchmarks
