// The gradient of code vectors: dcodes[ids[r]] += dzq[r] in the order of r, without atomics: a warp per code looks
// through all ids, 32 at a time, and adds the rows that are its code's. Looking costs K * rows / 32 steps; where most
// rows have one code, as when training starts, that code's warp reads eight rows at a time.
#pragma once

#include <tessera/backend/thrust/codes.hpp>
#include <tessera/backend/thrust/kernels/grid.hpp>

namespace tessera::thrust_detail {

template <Index C>
struct GatherTile {
  static constexpr int warps = 8;
  static constexpr int threads = warps * 32;
  static constexpr int columns = C <= 32 ? 1 : C <= 64 ? 2 : 4;  // of a lane, 32 apart
  static constexpr int rows = 8;                                 // read at a time
};

/// Block (x, y): codes from 8 x on, columns from 32 columns y on.
template <Index C, class S>
__global__ void __launch_bounds__(GatherTile<C>::threads)
    gather_codes_backward(Index rows, Index codes, const S* dzq, const Token* ids, Wide<S>* dcodes) {
  using Tile = GatherTile<C>;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const Index code = Index{blockIdx.x} * Tile::warps + static_cast<int>(threadIdx.x) / 32;
  const Index first_column = Index{blockIdx.y} * (32 * Tile::columns) + lane;
  if (code >= codes) return;

  Index columns[Tile::columns];
  Wide<S> sums[Tile::columns];
#pragma unroll
  for (int j = 0; j < Tile::columns; ++j) {
    columns[j] = smaller(first_column + j * 32, C - 1);  // beyond the last: the last, which is then not stored
    sums[j] = dcodes[code * C + columns[j]];
  }
  for (Index first = 0; first < rows; first += 32) {
    const bool mine = first + lane < rows && ids[first + lane] == code;
    unsigned found = __ballot_sync(~0U, mine);
    while (found != 0) {
      Wide<S> values[Tile::rows][Tile::columns];
      const int count = __popc(found);
      Index row = first;  // where fewer are left than are read: any
#pragma unroll
      for (int i = 0; i < Tile::rows; ++i) {
        if (found != 0) row = first + __ffs(static_cast<int>(found)) - 1;
        found &= found - 1;
#pragma unroll
        for (int j = 0; j < Tile::columns; ++j) values[i][j] = static_cast<Wide<S>>(dzq[row * C + columns[j]]);
      }
      // A choice of sums, no branch: into it the compiler would move the reading, one row after the other.
#pragma unroll
      for (int i = 0; i < Tile::rows; ++i) {
#pragma unroll
        for (int j = 0; j < Tile::columns; ++j) sums[j] = i < count ? sums[j] + values[i][j] : sums[j];
      }
    }
  }
#pragma unroll
  for (int j = 0; j < Tile::columns; ++j) {
    const Index c = first_column + j * 32;
    if (c < C) dcodes[code * C + c] = sums[j];
  }
}

/// The operations on codes with this gradient from here; the others are one call a value already.
template <class System>
struct KernelCodesOps : CodesOps<System> {
  using S = typename System::Scalar;

  /// dcodes [K, C], K from its size.
  template <Index C>
  static void gather_codes_backward(Shape<C>, Index rows, View<const S> dzq, View<const Token> ids,
                                    View<Wide<S>> dcodes) {
    using Tile = GatherTile<C>;
    const Index codes = static_cast<Index>(dcodes.size()) / C;
    if (rows == 0 || codes == 0) return;
    System::run(thrust_detail::gather_codes_backward<C, S>,
                grid_of(ceil_div(codes, Tile::warps), ceil_div(C, 32 * Tile::columns)), Tile::threads, 0, rows, codes,
                dzq.data(), ids.data(), dcodes.data());
  }
};

}  // namespace tessera::thrust_detail
