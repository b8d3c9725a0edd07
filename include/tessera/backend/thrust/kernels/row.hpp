// One row of values in the registers of a team of threads, whose size, and so the order of their sums, the row's length
// gives: the same bits in any batch.
#pragma once

#include <tessera/backend/thrust/kernels/pack.hpp>
#include <tessera/backend/thrust/kernels/team.hpp>

namespace tessera::thrust_detail {

/// A warp up to D = 1024, where it has 32 values a lane: two such parts fit a thread's registers with room for all
/// blocks that hide the memory's latency. Then as many warps as keep it so. Not tuned on a GPU.
template <Index D>
using RowTeam = WarpTeam<static_cast<int>(smaller(ceil_div(D, 1024), 32))>;

/// The calling thread's part of a row: every threads-th pack.
template <class S, Index D>
struct RowPart {
  using Team = RowTeam<D>;
  static constexpr int pack_size = thrust_detail::pack_size<S, D>;
  static constexpr int steps = static_cast<int>(ceil_div(D, Index{pack_size} * Team::threads));
  float values[steps][pack_size];

  /// Where pack `step` starts, and whether the row has it.
  __device__ static Index column(int step) { return (Index{step} * Team::threads + Team::thread()) * pack_size; }
  __device__ static bool has(int step) {
    return Index{step + 1} * Team::threads * pack_size <= D || column(step) < D;  // the first is known to the compiler
  }

  /// `absent` where the row has no more values.
  __device__ void load(const S* row, float absent = 0.0F) {
    for (int step = 0; step < steps; ++step) {
      if (has(step)) {
        load_pack(row + column(step), values[step]);
      } else {
        for (float& value : values[step]) value = absent;
      }
    }
  }
  __device__ void store(S* row) const {
    for (int step = 0; step < steps; ++step) {
      if (has(step)) store_pack(values[step], row + column(step));
    }
  }
};

}  // namespace tessera::thrust_detail
