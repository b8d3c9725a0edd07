// Random numbers that are a pure function of what they are for: the same seed and position give the same number in any
// order, on any thread, and after a resume.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include <tessera/core/types.hpp>

namespace tessera {

/// SplitMix64 (Steele, Lea and Flood 2014): one 64-bit state, every seed is good.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : state_(seed) {}
  /// A stream of its own for (seed, stream, position).
  constexpr Random(std::uint64_t seed, std::uint64_t stream, std::uint64_t position) : state_(seed) {
    state_ = next() ^ stream;
    state_ = next() ^ position;
    next();
  }

  constexpr std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  /// In [0, 1), 53 bits.
  constexpr double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  /// In [0, count); the bias of the remainder is below 2^-32 for counts below 2^32.
  constexpr Index below(Index count) { return static_cast<Index>(next() % static_cast<std::uint64_t>(count)); }
  /// Standard normal (Box and Muller 1958).
  double normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * uniform());
  }

 private:
  std::uint64_t state_;
};

/// A permutation of [0, count) (Fisher and Yates).
inline std::vector<Index> permutation(Index count, Random random) {
  std::vector<Index> order(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<Index>(i);
  for (Index i = count - 1; i > 0; --i) {
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(random.below(i + 1))]);
  }
  return order;
}

}  // namespace tessera
