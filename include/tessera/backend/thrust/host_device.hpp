// What the functors need to run on both sides: they are plain structs of raw pointers and sizes, because device code
// can neither hold a lambda without an option of nvcc's nor call what the standard library does not say is for it.
#pragma once

#include <cmath>

#include <tessera/core/types.hpp>

#ifdef __CUDACC__
#define TESSERA_HOST_DEVICE __host__ __device__
#else
#define TESSERA_HOST_DEVICE
#endif

namespace tessera::thrust_detail {

TESSERA_HOST_DEVICE constexpr Index smaller(Index a, Index b) {
  return a < b ? a : b;
}
TESSERA_HOST_DEVICE constexpr Index larger(Index a, Index b) {
  return a < b ? b : a;
}
TESSERA_HOST_DEVICE inline float larger_value(float a, float b) {
  return a > b ? a : b;
}

/// Where a view's values are; null where it is empty, wherever that points.
template <class T>
T* optional(View<T> view) {
  return view.empty() ? nullptr : view.data();
}

/// a . b, both of n values: sixteen sums side by side, then one after the other.
template <Index n, class A, class B>
TESSERA_HOST_DEVICE float dot(const A* a, const B* b) {
  constexpr Index lanes = 16;  // what g++ makes vectors of; no order that depends on the processor
  constexpr Index whole = n / lanes * lanes;
  float sums[lanes] = {};
  for (Index i = 0; i < whole; i += lanes) {
    for (Index j = 0; j < lanes; ++j) sums[j] += a[i + j] * b[i + j];
  }
  float sum = 0;
  for (Index j = 0; j < lanes; ++j) sum += sums[j];
  for (Index i = whole; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace tessera::thrust_detail
