// Lengths for sums over whole buffers and for updates value by value: every length up to two vectors, and a long one.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(size)
void losses(auto&& f) {
  for (Index size = 1; size <= 33; ++size) f(size);
  f(Index{1025});
}

}  // namespace tessera::cases
