// What the tests of kernels need for every format that values are stored in: where they run, outputs that nobody has
// written, and the comparison with the reference's double.
#pragma once

#include <backend/compare.hpp>

#ifdef TESSERA_TEST_CUDA_OPERATIONS
#include <cuda/shared_memory.hpp>
#else
#include <emulated/system.hpp>
#endif

namespace tessera::testing {

#ifdef TESSERA_TEST_CUDA_OPERATIONS
template <class S>
using KernelSystem = SharedSystem<S>;
#else
template <class S>
using KernelSystem = EmulatedSystem<S>;
#endif

/// `poisoned` for formats that std::numeric_limits does not know.
template <class T>
std::vector<T> unwritten(Index size) {
  return as<T>(poisoned<float>(size));
}

/// Values of one format in another.
template <class To, class From>
std::vector<To> converted(const std::vector<From>& values) {
  std::vector<To> there;
  for (const From value : values) there.push_back(static_cast<To>(static_cast<float>(value)));
  return there;
}

/// Random values, rounded to what S stores, as T.
template <class S, class T>
std::vector<T> rounded_values(Index size, std::uint32_t seed) {
  return converted<T>(as<S>(random_values(size, seed)));
}

/// Half a unit in the last place of a stored value: what storing may add to an error.
template <class T>
double half_unit(double /*value*/) {
  return 0;  // a float's is part of the tolerances
}
template <>
inline double half_unit<bfloat16>(double value) {
  return value == 0 ? 0 : std::ldexp(1.0, std::ilogb(value) - 8);  // 8 significant bits
}

/// Largest difference, less what storing adds, over the largest expected magnitude, or over `least` where that is more;
/// infinite if a value is missing or not a number.
template <class T>
double error(const std::vector<T>& found, const std::vector<double>& expected, double least = 1e-30) {
  if (found.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double largest = least;
  double difference = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double value = static_cast<double>(static_cast<float>(found[i]));
    if (!std::isfinite(value)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(expected[i]));
    difference = std::max(difference, std::abs(value - expected[i]) - half_unit<T>(expected[i]));
  }
  return difference / largest;
}

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

/// What a norm and its backward write.
template <class T>
struct NormResult {
  std::vector<T> y, dx;
  std::vector<Wide<T>> mean, rstd, dweight, dbias;

  bool operator==(const NormResult& other) const {
    return same_bytes(y, other.y) && same_bytes(mean, other.mean) && same_bytes(rstd, other.rstd) &&
           same_bytes(dx, other.dx) && same_bytes(dweight, other.dweight) && same_bytes(dbias, other.dbias);
  }
};

/// f() in the emulated GPU's other schedule; on a GPU in the one that it has.
template <class F>
void with_other_schedule(F&& f) {
#ifdef TESSERA_TEST_CUDA_OPERATIONS
  f();
#else
  emulated::other_schedule = true;
  f();
  emulated::other_schedule = false;
#endif
}
/// f() in either.
template <class F>
void both_schedules(F&& f) {
  f();
  with_other_schedule(f);
}

}  // namespace tessera::testing
