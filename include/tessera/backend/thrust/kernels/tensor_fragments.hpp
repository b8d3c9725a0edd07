// Products of tiles of bfloat16 on tensor cores: what one warp loads of the left and of the right factor.
#pragma once

#include <cstdint>

#include <tessera/backend/thrust/bfloat16.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>

namespace tessera::thrust_detail {

/// The left factor of a warp: 16 rows of a tile, 16 columns a step. Where `kept`, all of it stays in registers;
/// where that were too many, it is read from shared memory each time.
template <int steps, int stride, bool kept>
struct LeftRows {
  const bfloat16* row;
  std::uint32_t fragments[kept ? steps : 1][4];

  __device__ void start(const bfloat16* tile) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    row = tile + lane % 16 * stride + lane / 16 * 8;
    if constexpr (kept) {
#pragma unroll
      for (int step = 0; step < steps; ++step) ptx::load_matrices(fragments[step], row + step * 16);
    }
  }
  __device__ void get(int step, std::uint32_t (&fragment)[4]) const {
    if constexpr (kept) {
#pragma unroll
      for (int i = 0; i < 4; ++i) fragment[i] = fragments[step][i];
    } else {
      ptx::load_matrices(fragment, row + step * 16);
    }
  }
};

/// Where this lane's ldmatrix reads a right factor [16, 16] whose columns are 16 rows of a tile (right = tile^T) ...
template <int stride>
__device__ inline const bfloat16* columns_from_rows(const bfloat16* tile) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  return tile + (lane / 16 * 8 + lane % 8) * stride + lane / 8 % 2 * 8;
}
/// ... and one whose rows they are (right = tile), to be loaded transposed.
template <int stride>
__device__ inline const bfloat16* rows_from_rows(const bfloat16* tile) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  return tile + lane % 16 * stride + lane / 16 * 8;
}

/// [d0, d1] += left right, all [16, 16].
__device__ inline void multiply_add(float (&d0)[4], float (&d1)[4], const std::uint32_t (&left)[4],
                                    const std::uint32_t (&right)[4]) {
  ptx::multiply_add(d0, left, right[0], right[1]);
  ptx::multiply_add(d1, left, right[2], right[3]);
}

/// The left factor [16, 16] of a product from the two accumulators [16, 8] that hold it: an accumulator's values lie
/// where the factor's do, so nothing moves between lanes (Dao 2023, arXiv:2307.08691, section 3.3).
__device__ inline void pack_left(std::uint32_t (&left)[4], const float (&a)[4], const float (&b)[4]) {
  left[0] = ptx::pack(a[0], a[1]);
  left[1] = ptx::pack(a[2], a[3]);
  left[2] = ptx::pack(b[0], b[1]);
  left[3] = ptx::pack(b[2], b[3]);
}

/// Two neighbours, stored at once.
struct alignas(4) BfloatPair {
  bfloat16 first, second;
};

/// Writes a warp's accumulator [16, 8] times a factor for each of the lane's two rows to shared memory.
template <int stride>
__device__ inline void store_accumulator(const float (&d)[4], float upper, float lower, bfloat16* tile) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  bfloat16* const to = tile + lane / 4 * stride + lane % 4 * 2;
  *reinterpret_cast<BfloatPair*>(to) = {bfloat16(d[0] * upper), bfloat16(d[1] * upper)};
  *reinterpret_cast<BfloatPair*>(to + 8 * stride) = {bfloat16(d[2] * lower), bfloat16(d[3] * lower)};
}

}  // namespace tessera::thrust_detail
