// Random inputs and the comparison of float results with the reference's in double.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <tessera/core/parallel.hpp>
#include <tessera/core/types.hpp>

namespace tessera::testing {

/// Values with a mean that is not zero, the same for every call with one seed.
inline std::vector<float> random_values(Index size, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> distribution(0.3F, 1.0F);
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& value : values) value = distribution(generator);
  return values;
}

/// Whole numbers from 0 to 3: every format is exact, and distances between such rows occur many times.
inline std::vector<float> small_whole_values(Index size, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& value : values) value = static_cast<float>(generator() % 4);
  return values;
}

template <class T>
std::vector<T> as(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

/// An output that nobody has written yet.
template <class T>
std::vector<T> poisoned(Index size) {
  return std::vector<T>(static_cast<std::size_t>(size), std::numeric_limits<T>::quiet_NaN());
}

/// Largest difference over the largest expected magnitude; infinite if a value is missing or not a number.
inline double distance(const std::vector<float>& found, const std::vector<double>& expected) {
  if (found.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double largest = 1e-30;
  double difference = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (!std::isfinite(found[i])) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(expected[i]));
    difference = std::max(difference, std::abs(static_cast<double>(found[i]) - expected[i]));
  }
  return difference / largest;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// run() with 1, 2 and 3 threads gives a vector of the same bits.
template <class Run>
void check_threads(Run&& run) {
  set_thread_count(1);
  const std::vector<float> one = run();
  for (int threads : {2, 3}) {
    set_thread_count(threads);
    CHECK(same_bits(one, run()));
  }
  set_thread_count(0);
}

}  // namespace tessera::testing
