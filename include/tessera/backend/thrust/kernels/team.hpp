// Threads that sum up together: in an order that their number gives, the same bits in every thread.
#pragma once

#include <tessera/backend/thrust/host_device.hpp>
#include <tessera/backend/thrust/kernels/grid.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>

namespace tessera::thrust_detail {

/// So many warps that work on one row. A warp alone needs no barrier: four rows make a block of it.
template <int warps>
struct WarpTeam {
  static constexpr int threads = 32 * warps;
  static constexpr int per_block = warps == 1 ? 4 : 1;
  static constexpr int block = threads * per_block;
  static constexpr std::size_t shared_bytes = warps == 1 ? 0 : warps * sizeof(double);

  static dim3 grid(Index rows) { return grid_of(ceil_div(rows, per_block)); }
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
  struct Add {
    template <class T>
    __device__ T operator()(T a, T b) const {
      return a + b;
    }
  };
  struct Largest {
    __device__ float operator()(float a, float b) const { return larger_value(a, b); }
  };

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

}  // namespace tessera::thrust_detail
