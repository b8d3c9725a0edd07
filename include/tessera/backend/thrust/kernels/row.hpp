// One row of values in the registers of the threads that share it, and what they make of it together: sums whose order
// the row's length gives, the same bits in every thread and in any batch.
#pragma once

#include <tessera/backend/thrust/kernels/pack.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>

namespace tessera::thrust_detail {

struct Add {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
struct Largest {
  __device__ float operator()(float a, float b) const { return a > b ? a : b; }
};

/// So many warps that work on one row. A warp alone needs no barrier: four rows make a block of it.
template <int warps>
struct Team {
  static constexpr int threads = 32 * warps;
  static constexpr int per_block = warps == 1 ? 4 : 1;
  static constexpr int block = threads * per_block;
  static constexpr std::size_t shared_bytes = warps == 1 ? 0 : warps * sizeof(double);

  static dim3 grid(Index rows) { return dim3{static_cast<unsigned>(ceil_div(rows, per_block)), 1, 1}; }
  __device__ static int thread() { return static_cast<int>(threadIdx.x) % threads; }
  __device__ static Index row() {
    return static_cast<Index>(blockIdx.x) * per_block + static_cast<int>(threadIdx.x) / threads;
  }

  template <class T>
  __device__ static T sum(T value) {
    return combine(value, Add{});
  }
  __device__ static float largest(float value) { return combine(value, Largest{}); }

 private:
  /// Lanes in a butterfly, which gives each of them the same bits as f does not mind its arguments' order; then the
  /// warps one by one.
  template <class T, class F>
  __device__ static T combine(T value, F f) {
    for (int lanes = 16; lanes > 0; lanes /= 2) value = f(value, __shfl_xor_sync(~0U, value, lanes));
    if constexpr (warps > 1) {
      T* const of_warp = reinterpret_cast<T*>(ptx::shared_memory());  // [warps]
      __syncthreads();                                                // the values before have been read
      if (threadIdx.x % 32 == 0) of_warp[threadIdx.x / 32] = value;
      __syncthreads();
      value = of_warp[0];
      for (int warp = 1; warp < warps; ++warp) value = f(value, of_warp[warp]);
    }
    return value;
  }
};

/// A warp up to D = 1024, where it has 32 values a lane: two such parts fit a thread's registers with room for all
/// blocks that hide the memory's latency. Then as many warps as keep it so.
template <Index D>
using RowTeam = Team<static_cast<int>(smaller(ceil_div(D, 1024), 32))>;

/// The calling thread's part of a row: every threads-th pack.
template <class S, Index D>
struct RowPart {
  using Team = RowTeam<D>;
  static constexpr int pack = pack_size<S, D>;
  static constexpr int steps = static_cast<int>(ceil_div(D, Index{pack} * Team::threads));
  float values[steps][pack];

  /// Where pack `step` starts, and whether the row has it.
  __device__ static Index column(int step) { return (Index{step} * Team::threads + Team::thread()) * pack; }
  __device__ static bool has(int step) {
    return Index{step + 1} * Team::threads * pack <= D || column(step) < D;  // the first is known to the compiler
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
