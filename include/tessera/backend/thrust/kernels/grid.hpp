// The size of a kernel's grid.
#pragma once

#include <tessera/backend/thrust/kernels/ptx.hpp>
#include <tessera/core/types.hpp>

namespace tessera::thrust_detail {

inline dim3 grid_of(Index x, Index y = 1) {
  return {static_cast<unsigned>(x), static_cast<unsigned>(y), 1};
}

}  // namespace tessera::thrust_detail
