// What the kernels of the nearest code know of a row, and how such knowledge is joined.
#pragma once

#include <limits>

#include <tessera/backend/thrust/host_device.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>
#include <tessera/core/types.hpp>

namespace tessera::thrust_detail {

/// Of some of the codes: the highest score z . code - |code|^2 / 2, the lowest id that has it, and the highest score of
/// any other id.
struct NearestCandidate {
  static constexpr float none = -std::numeric_limits<float>::infinity();

  float score = none, second = none;
  Token id = 0;  // in [0, K) also where no score is higher than none, as of a row that holds a NaN
};

/// Takes maxima and chooses, and rounds nothing: the same bits however codes are divided and in whatever order their
/// parts are joined.
__device__ __forceinline__ NearestCandidate join(const NearestCandidate& a, const NearestCandidate& b) {
  const bool b_is_nearer = b.score > a.score || (b.score == a.score && b.id < a.id);
  return {b_is_nearer ? b.score : a.score, fmaxf(fmaxf(a.second, b.second), fminf(a.score, b.score)),
          b_is_nearer ? b.id : a.id};
}

/// Joins what `lanes` neighbouring lanes know; all of them receive it.
template <int lanes>
__device__ __forceinline__ NearestCandidate join_lanes(NearestCandidate mine) {
  for (int step = 1; step < lanes; step *= 2) {
    const NearestCandidate other{__shfl_xor_sync(~0U, mine.score, step), __shfl_xor_sync(~0U, mine.second, step),
                                 __shfl_xor_sync(~0U, mine.id, step)};
    mine = join(mine, other);
  }
  return mine;
}

/// Where a row's result goes: to the caller, or to the other parts of its codes.
struct NearestResult {
  Token* ids;                  // [rows]
  float* margins;              // [rows], or null
  NearestCandidate* partials;  // [rows, splits], or null where all codes are in one part

  __device__ void put(Index row, const NearestCandidate& found) const {
    ids[row] = found.id;
    // |z - b|^2 - |z - a|^2 = 2 (score of a - score of b)
    if (margins != nullptr) margins[row] = 2.0F * (found.score - found.second);
  }
  __device__ void put(Index row, Index split, Index splits, const NearestCandidate& found) const {
    if (partials == nullptr) {
      put(row, found);
    } else {
      partials[row * splits + split] = found;
    }
  }
};

inline constexpr int join_threads = 128;
/// Of a row in the second kernel: a batch of one is a few rows in hundreds of parts, each a load to wait for.
inline constexpr int lanes_per_join = 8;

/// Where the codes of a row were divided over blocks.
template <int lanes>
__global__ void __launch_bounds__(join_threads) join_partials(Index rows, Index splits, NearestResult result) {
  const int thread = static_cast<int>(threadIdx.x);
  const Index row = Index{blockIdx.x} * (join_threads / lanes) + thread / lanes;
  NearestCandidate found;
  if (row < rows) {
    for (Index split = thread % lanes; split < splits; split += lanes) {
      found = join(found, result.partials[row * splits + split]);
    }
  }
  found = join_lanes<lanes>(found);
  if (row < rows && thread % lanes == 0) result.put(row, found);
}

}  // namespace tessera::thrust_detail
