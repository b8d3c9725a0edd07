// Copies of a few values.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera {

/// to[i] = from[i] for i in [0, count). No std::copy_n: where `count` is a constant of 32 or 64 bytes, g++ 12 can make
/// of a loop around that (its memmove becomes one 256- or 512-bit integer, then a "vector" of it) stores that fault
/// unless `to` is aligned.
template <class T>
[[gnu::always_inline]] inline void copy_values(const T* from, Index count, T* to) {
  for (Index i = 0; i < count; ++i) to[i] = from[i];
}

}  // namespace tessera
