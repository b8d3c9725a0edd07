// The nearest code in bfloat16: tensor cores multiply z and the codes, from which float32 sums come back.
//
// A product of 16 values is one instruction, so that by a count of instructions (nothing was tuned on a GPU) the search
// for the best costs more than the scores unless it is thrifty: of each group of eight scores a lane takes the maximum,
// and stores the eight in shared memory where that is its best so far. Which of them it is, and the runner-up among
// them, is asked once, at the end.
#pragma once

#include <cstdint>

#include <tessera/backend/thrust/bfloat16.hpp>
#include <tessera/backend/thrust/host_device.hpp>
#include <tessera/backend/thrust/kernels/nearest_candidate.hpp>
#include <tessera/backend/thrust/kernels/pack.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>

namespace tessera::thrust_detail {

/// What a block computes at a time. A warp has 32 rows. Up to 64 values a code its rows stay in registers; beyond, both
/// operands come through shared memory, of which the smaller GPUs (sm_86, sm_89) give a block 99 KB.
template <Index C>
struct NearestBfloat16Sizes {
  static constexpr bool thin = C <= 64;
  static constexpr int warps = 4;
  static constexpr int threads = warps * 32;
  static constexpr int blocks_per_processor = C <= 32 ? 4 : thin ? 3 : 2;  // 128, 168 or 255 registers a thread
  static constexpr int rows = warps * 32;
  static constexpr int codes = 64;
  static constexpr int codes_at_once = thin ? 32 : 64;  // whose sums a warp has in registers
  static constexpr int chunks = static_cast<int>((C + 63) / 64);
  static constexpr int depth = static_cast<int>((C + chunks * 16 - 1) / (chunks * 16)) * 16;  // values in a chunk
  static constexpr int panel = codes * (depth + 2);
  static constexpr int pitch = depth + 8;  // of shared rows: eight of them start in eight different banks of 16 bytes
  static constexpr int shared_panel = codes * (pitch + 2);
  static constexpr int shared_z = thin ? 0 : rows * pitch;
  static constexpr int kept = threads * 4 * 8;
  static constexpr std::size_t shared_bytes = 2 * (shared_panel + shared_z) * sizeof(bfloat16) + kept * sizeof(float);
  static_assert(shared_bytes <= 99 << 10);

  static constexpr Index packed_size(Index K) { return ceil_div(K, codes) * chunks * panel; }

  /// One call per code. packed [tiles, chunks]: panels of values [codes, depth], zeros where C ends, and then of
  /// float32 [codes]: what the code's sums start from in its first chunk, -infinity where there is no code.
  struct Pack {
    Index K;
    const bfloat16* from;  // [K, C]
    bfloat16* packed;

    TESSERA_HOST_DEVICE void operator()(Index k) const {
      bfloat16* panels = packed + k / codes * chunks * panel;
      double squares = 0;
      for (Index i = 0; i < Index{chunks} * depth; ++i) {
        const float value = k < K && i < C ? static_cast<float>(from[k * C + i]) : 0.0F;
        squares += static_cast<double>(value) * static_cast<double>(value);
        panels[i / depth * panel + k % codes * depth + i % depth] = value;
      }
      for (Index chunk = 0; chunk < chunks; ++chunk) {
        const float start = chunk > 0 ? 0.0F : k < K ? static_cast<float>(-0.5 * squares) : NearestCandidate::none;
        reinterpret_cast<float*>(panels + chunk * panel + codes * depth)[k % codes] = start;
      }
    }
  };
};

struct alignas(8) TwoFloats {
  float x[2];
};

/// Where a block's shared memory has what: two panels of codes, two chunks of z unless they are thin, and then what the
/// threads keep of their best groups.
template <Index C>
struct NearestBfloat16Shared {
  using Sizes = NearestBfloat16Sizes<C>;
  static __device__ __forceinline__ bfloat16* codes(int step) {
    return reinterpret_cast<bfloat16*>(ptx::shared_memory()) + step % 2 * Sizes::shared_panel;
  }
  static __device__ __forceinline__ bfloat16* starts(int step) { return codes(step) + Sizes::codes * Sizes::pitch; }
  static __device__ __forceinline__ bfloat16* z(int step) {
    return codes(0) + 2 * Sizes::shared_panel + step % 2 * Sizes::shared_z;
  }
  /// [4 rows, 4, threads], the thread's own.
  static __device__ __forceinline__ TwoFloats* kept(int row, int pair) {
    return reinterpret_cast<TwoFloats*>(codes(0) + 2 * (Sizes::shared_panel + Sizes::shared_z)) +
           (row * 4 + pair) * Sizes::threads + threadIdx.x;
  }
};

/// A lane's part of its warp's rows: of rows g and g + 8 of two matrices of 16, codes t and t + 1 of every eight.
/// In registers as long as every loop over it is unrolled.
template <Index C>
struct NearestBfloat16Tile {
  using Sizes = NearestBfloat16Sizes<C>;
  using Shared = NearestBfloat16Shared<C>;
  static constexpr int columns = Sizes::codes_at_once / 8;  // matrices of eight codes; four are a group

  float sums[2][columns][4];
  float score[4], second[4];
  int group[4];

  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  static __device__ __forceinline__ int row(int slot) {
    return static_cast<int>(threadIdx.x) / 32 * 32 + slot * 8 + lane() / 4;
  }

  __device__ __forceinline__ void reset() {
#pragma unroll
    for (int slot = 0; slot < 4; ++slot) score[slot] = second[slot] = NearestCandidate::none, group[slot] = 0;
  }
  __device__ __forceinline__ void start(int step, int code) {
    const auto* starts = reinterpret_cast<const TwoFloats*>(Shared::starts(step)) + code / 2;
#pragma unroll
    for (int n = 0; n < columns; ++n) {
      const TwoFloats half_norms = starts[n * 4 + lane() % 4];
#pragma unroll
      for (int m = 0; m < 2; ++m) {
#pragma unroll
        for (int i = 0; i < 4; ++i) sums[m][n][i] = half_norms.x[i % 2];
      }
    }
  }
  /// Adds the products of sixteen values from k on, of z with the codes from `code` on.
  __device__ __forceinline__ void add(int step, int code, int k, const std::uint32_t (&a)[2][4]) {
    const int row = code + lane() / 16 * 8 + lane() % 8;
    const bfloat16* values = Shared::codes(step) + row * Sizes::pitch + k + lane() / 8 % 2 * 8;
#pragma unroll
    for (int n = 0; n < columns; n += 2) {
      std::uint32_t b[4];
      ptx::load_matrices(b, values + n * 8 * Sizes::pitch);
#pragma unroll
      for (int m = 0; m < 2; ++m) {
        ptx::multiply_add(sums[m][n], a[m], b[0], b[1]);
        ptx::multiply_add(sums[m][n + 1], a[m], b[2], b[3]);
      }
    }
  }
  /// The codes being those of the group `first_group` and the next ones.
  __device__ __forceinline__ void keep_best(int first_group) {
#pragma unroll
    for (int n = 0; n < columns; n += 4) {
#pragma unroll
      for (int slot = 0; slot < 4; ++slot) keep_best(first_group + n / 4, slot, &sums[slot / 2][n]);
    }
    __syncwarp();  // lanes may have parted, and ldmatrix and mma need them all
  }
  /// scores[n][slot % 2 * 2 + i]: codes n * 8 + t + i of the group.
  __device__ __forceinline__ void keep_best(int new_group, int slot, const float (*scores)[4]) {
    const int at = slot % 2 * 2;
    float highest = fmaxf(scores[0][at], scores[0][at + 1]);
#pragma unroll
    for (int n = 1; n < 4; ++n) highest = fmaxf(highest, fmaxf(scores[n][at], scores[n][at + 1]));
    const bool nearer = highest > score[slot];
    second[slot] = fmaxf(second[slot], fminf(score[slot], highest));
    score[slot] = fmaxf(score[slot], highest);
    if (nearer) {
      group[slot] = new_group;
#pragma unroll
      for (int n = 0; n < 4; ++n) *Shared::kept(slot, n) = {{scores[n][at], scores[n][at + 1]}};
    }
  }
  /// The lane's best of all, and its runner-up, which may be in the same group.
  __device__ __forceinline__ NearestCandidate found(int slot, Token first) const {
    NearestCandidate best{score[slot], second[slot], 0};
    if (score[slot] == NearestCandidate::none) return best;  // nothing was kept
    bool is_found = false;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float value = Shared::kept(slot, i / 2)->x[i % 2];
      if (!is_found && value == best.score) {
        is_found = true;
        best.id = first + group[slot] * 32 + i / 2 * 8 + lane() % 4 * 2 + i % 2;
      } else {
        best.second = fmaxf(best.second, value);
      }
    }
    return best;
  }
};

/// Starts to bring panel `step` of the block's codes to shared memory.
template <Index C>
__device__ __forceinline__ void copy_bfloat16_codes(int step, const bfloat16* packed) {
  using Sizes = NearestBfloat16Sizes<C>;
  using Shared = NearestBfloat16Shared<C>;
  constexpr int parts = Sizes::depth / 8;  // of a row, 16 bytes each
  const int thread = static_cast<int>(threadIdx.x);
  const bfloat16* panel = packed + Index{step} * Sizes::panel;
  for (int i = thread; i < Sizes::codes * parts; i += Sizes::threads) {
    ptx::copy_async(Shared::codes(step) + i / parts * Sizes::pitch + i % parts * 8, panel + i * 8, true);
  }
  for (int i = thread; i < Sizes::codes / 4; i += Sizes::threads) {
    ptx::copy_async(Shared::starts(step) + i * 8, panel + Sizes::codes * Sizes::depth + i * 8, true);
  }
}

/// Starts to bring the chunk of z that step `step` needs there.
template <Index C>
__device__ __forceinline__ void copy_bfloat16_z(int step, Index rows, const bfloat16* z) {
  using Sizes = NearestBfloat16Sizes<C>;
  using Shared = NearestBfloat16Shared<C>;
  constexpr int pack_size = thrust_detail::pack_size<bfloat16, C>;
  constexpr int packs = Sizes::depth / pack_size;  // of a row
  const Index first = Index{blockIdx.x} * Sizes::rows;
  const int before = step % Sizes::chunks * Sizes::depth;
  for (int i = static_cast<int>(threadIdx.x); i < Sizes::rows * packs; i += Sizes::threads) {
    const int r = i / packs, c = i % packs * pack_size;
    const bool exists = first + r < rows && before + c < C;
    const bfloat16* const from = z + (exists ? (first + r) * C + before + c : 0);
    bfloat16* const to = Shared::z(step) + r * Sizes::pitch + c;
    if constexpr (pack_size > 1) {
      ptx::copy_async(to, from, exists);
    } else {
      *to = exists ? *from : bfloat16(0.0F);
    }
  }
}

/// Both, as a group of copies.
template <Index C>
__device__ __forceinline__ void load_bfloat16_step(int step, Index rows, const bfloat16* z, const bfloat16* packed) {
  copy_bfloat16_codes<C>(step, packed);
  if constexpr (!NearestBfloat16Sizes<C>::thin) copy_bfloat16_z<C>(step, rows, z);
  ptx::commit_copies();
}

/// Two values of a row's z from column c on, from memory that need not be aligned.
template <Index C>
__device__ __forceinline__ std::uint32_t two_values(Index row, Index c, Index rows, const bfloat16* z) {
  const std::uint32_t low = row < rows && c < C ? z[row * C + c].bits : 0;
  const std::uint32_t high = row < rows && c + 1 < C ? z[row * C + c + 1].bits : 0;
  return high << 16 | low;
}

/// All of the warp's rows of z, where they are thin: fragments of sixteen columns each.
template <Index C, int products>
__device__ __forceinline__ void load_thin_z(std::uint32_t (&a)[products][2][4], Index rows, const bfloat16* z) {
  using Tile = NearestBfloat16Tile<C>;
  const Index first = Index{blockIdx.x} * NearestBfloat16Sizes<C>::rows;
#pragma unroll
  for (int k = 0; k < products; ++k) {
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int column = k * 16 + i % 4 / 2 * 8 + Tile::lane() % 4 * 2;
      a[k][i / 4][i % 4] = two_values<C>(first + Tile::row(i / 4 * 2 + i % 2), column, rows, z);
    }
  }
}

/// Sixteen columns of the warp's rows from column k of this step's chunk on.
template <Index C>
__device__ __forceinline__ void load_z(std::uint32_t (&a)[2][4], int step, int k) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int row = static_cast<int>(threadIdx.x) / 32 * 32 + lane % 16;
#pragma unroll
  for (int m = 0; m < 2; ++m) {
    ptx::load_matrices(
        a[m], NearestBfloat16Shared<C>::z(step) + (row + m * 16) * NearestBfloat16Sizes<C>::pitch + k + lane / 16 * 8);
  }
}

/// Block (x, y): rows from NearestBfloat16Sizes<C>::rows * x on, part y of the tiles of codes.
template <Index C>
__global__ void __launch_bounds__(NearestBfloat16Sizes<C>::threads, NearestBfloat16Sizes<C>::blocks_per_processor)
    nearest_bfloat16(Index rows, Index tiles, const bfloat16* z, const bfloat16* packed, NearestResult result) {
  using Sizes = NearestBfloat16Sizes<C>;
  using Tile = NearestBfloat16Tile<C>;
  constexpr int products = Sizes::depth / 16;  // of a chunk
  const Index first = Index{blockIdx.x} * Sizes::rows;
  const Index first_tile = tiles * blockIdx.y / gridDim.y;
  const int steps = static_cast<int>(tiles * (blockIdx.y + 1) / gridDim.y - first_tile) * Sizes::chunks;
  packed += first_tile * Sizes::chunks * Sizes::panel;

  Tile tile;
  tile.reset();
  load_bfloat16_step<C>(0, rows, z, packed);
  std::uint32_t a[Sizes::thin ? products : 1][2][4];  // of z: all of it, or sixteen columns
  if constexpr (Sizes::thin) load_thin_z<C>(a, rows, z);
  for (int step = 0; step < steps; ++step) {
    ptx::wait_for_copies<0>();
    __syncthreads();  // this step's values are there, and nobody reads the last one's any more
    if (step + 1 < steps) load_bfloat16_step<C>(step + 1, rows, z, packed);
#pragma unroll
    for (int code = 0; code < Sizes::codes; code += Sizes::codes_at_once) {
      if (step % Sizes::chunks == 0) tile.start(step, code);
#pragma unroll
      for (int k = 0; k < products; ++k) {
        if constexpr (!Sizes::thin) load_z<C>(a[0], step, k * 16);
        tile.add(step, code, k * 16, a[Sizes::thin ? k : 0]);
      }
      if ((step + 1) % Sizes::chunks == 0) tile.keep_best((step / Sizes::chunks * Sizes::codes + code) / 32);
    }
  }
#pragma unroll
  for (int slot = 0; slot < 4; ++slot) {
    const Index row = first + Tile::row(slot);
    const NearestCandidate found = join_lanes<4>(tile.found(slot, static_cast<Token>(first_tile * Sizes::codes)));
    if (threadIdx.x % 4 == 0 && row < rows) result.put(row, blockIdx.y, gridDim.y, found);
  }
}

}  // namespace tessera::thrust_detail
