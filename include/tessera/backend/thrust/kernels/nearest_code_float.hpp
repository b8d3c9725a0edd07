// The nearest code in float32: a product of z and the codes in tiles of registers, of which each thread keeps the best.
//
// Each score is one chain of fused multiply-adds over C that starts at -|code|^2 / 2, as in
// backend/cpu/nearest_code.hpp: ids and margins are that backend's to the bit. Differences (z - code)^2 would take
// twice the instructions.
#pragma once

#include <tessera/backend/thrust/host_device.hpp>
#include <tessera/backend/thrust/kernels/nearest_candidate.hpp>
#include <tessera/backend/thrust/kernels/pack.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>

namespace tessera::thrust_detail {

/// What a block computes at a time: 128 rows x 64 codes, 8 x 8 a thread, so that four reads of shared memory (16 bytes
/// each) feed 64 multiply-adds.
template <Index C>
struct NearestFloatSizes {
  static constexpr int threads = 128;
  static constexpr int rows = 128;
  static constexpr int codes = 64;
  static constexpr int chunks = static_cast<int>((C + 31) / 32);
  static constexpr int blocks_per_processor = chunks == 1 ? 4 : 3;           // 128 or 168 registers a thread
  static constexpr int depth = static_cast<int>((C + chunks - 1) / chunks);  // values of a row and a code in a chunk
  static constexpr int panel = (1 + depth) * codes;
  static constexpr int pitch = rows + 4;                // of z, which is stored by columns: fewer conflicts of banks
  static constexpr int z_chunks = chunks == 1 ? 1 : 2;  // that are in shared memory
  static constexpr std::size_t shared_bytes = (2 * panel + z_chunks * depth * pitch) * sizeof(float);

  static constexpr Index packed_size(Index K) { return ceil_div(K, codes) * chunks * panel; }

  /// One call per code. packed [tiles, chunks, 1 + depth, 64]: in front of a code's values what its sum starts from;
  /// zeros where C ends, and -infinity in front where there is no code.
  struct Pack {
    Index K;
    const float* from;  // [K, C]
    float* packed;

    TESSERA_HOST_DEVICE void operator()(Index k) const {
      float* column = packed + k / codes * chunks * panel + k % codes;
      double squares = 0;
      for (Index i = 0; i < Index{chunks} * depth; ++i) {
        const float value = k < K && i < C ? from[k * C + i] : 0.0F;
        squares += static_cast<double>(value) * static_cast<double>(value);
        column[i / depth * panel + (1 + i % depth) * codes] = value;
      }
      for (Index chunk = 1; chunk < chunks; ++chunk) column[chunk * panel] = 0.0F;
      *column = k < K ? static_cast<float>(-0.5 * squares) : NearestCandidate::none;
    }
  };
};

/// Two times four values, the second `apart` from the first.
__device__ __forceinline__ void load_eight(float (&x)[8], const float* shared, int apart) {
  float low[4], high[4];
  load_pack(shared, low);
  load_pack(shared + apart, high);
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] = low[i], x[4 + i] = high[i];
}

/// A thread's part of a block's tile: eight lanes in a row have the same rows and different codes. All of it stays in
/// registers as long as every loop over it is unrolled.
template <Index C>
struct NearestFloatTile {
  using Sizes = NearestFloatSizes<C>;
  float sums[8][8];  // [rows, codes]
  float score[8], second[8];
  Token id[8];

  static __device__ __forceinline__ int row(int i) {
    return static_cast<int>(threadIdx.x) / 8 * 4 + i / 4 * (Sizes::rows / 2) + i % 4;
  }
  static __device__ __forceinline__ int code(int j) {
    return static_cast<int>(threadIdx.x) % 8 * 4 + j / 4 * (Sizes::codes / 2) + j % 4;
  }

  __device__ __forceinline__ void reset() {
#pragma unroll
    for (int i = 0; i < 8; ++i) score[i] = second[i] = NearestCandidate::none, id[i] = 0;
  }
  /// The first values of the first chunk: a sum starts as its half norm.
  __device__ __forceinline__ void start(const float* z, const float* panel) {
    float half_norms[8];
    load_eight(half_norms, panel + code(0), Sizes::codes / 2);
    load_values(0, z, panel);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
      for (int j = 0; j < 8; ++j) sums[i][j] = fmaf(values[i], code_values[j], half_norms[j]);
    }
  }
  __device__ __forceinline__ void add(int c, const float* z, const float* panel) {
    load_values(c, z, panel);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
      for (int j = 0; j < 8; ++j) sums[i][j] = fmaf(values[i], code_values[j], sums[i][j]);
    }
  }
  /// A thread's codes come in the order of their ids: of equal scores the first stays.
  __device__ __forceinline__ void keep_best(Index tile) {
    const Token first = static_cast<Token>(tile * Sizes::codes) + code(0);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        second[i] = fmaxf(second[i], fminf(score[i], sums[i][j]));
        if (sums[i][j] > score[i]) id[i] = first + code(j) - code(0);
        score[i] = fmaxf(score[i], sums[i][j]);
      }
    }
  }

 private:
  float values[8], code_values[8];

  __device__ __forceinline__ void load_values(int c, const float* z, const float* panel) {
    load_eight(values, z + c * Sizes::pitch + row(0), Sizes::rows / 2);
    load_eight(code_values, panel + (1 + c) * Sizes::codes + code(0), Sizes::codes / 2);
  }
};

/// Starts to bring panel `step` of the block's codes, and the chunk of z that it needs, to shared memory.
template <Index C>
__device__ __forceinline__ void load_float_step(int step, Index rows, const float* z, const float* packed) {
  using Sizes = NearestFloatSizes<C>;
  float* codes = reinterpret_cast<float*>(ptx::shared_memory()) + step % 2 * Sizes::panel;
  for (int i = static_cast<int>(threadIdx.x) * 4; i < Sizes::panel; i += Sizes::threads * 4) {
    ptx::copy_async(codes + i, packed + Index{step} * Sizes::panel + i, true);
  }
  ptx::commit_copies();
  if (Sizes::chunks <= 2 && step >= Sizes::chunks) return;  // all of z is there
  float* z_chunk = reinterpret_cast<float*>(ptx::shared_memory()) + 2 * Sizes::panel +
                   step % Sizes::z_chunks * (Sizes::depth * Sizes::pitch);
  const Index first = Index{blockIdx.x} * Sizes::rows;
  const int before = step % Sizes::chunks * Sizes::depth;
  for (int i = static_cast<int>(threadIdx.x); i < Sizes::rows * Sizes::depth; i += Sizes::threads) {
    const int r = i / Sizes::depth, c = i % Sizes::depth;
    const bool exists = first + r < rows && before + c < C;
    z_chunk[c * Sizes::pitch + r] = exists ? z[(first + r) * C + before + c] : 0.0F;
  }
}

/// Block (x, y): rows from 128 x on, part y of the tiles of codes.
template <Index C>
__global__ void __launch_bounds__(NearestFloatSizes<C>::threads, NearestFloatSizes<C>::blocks_per_processor)
    nearest_float(Index rows, Index tiles, const float* z, const float* packed, NearestResult result) {
  using Sizes = NearestFloatSizes<C>;
  const Index first_tile = tiles * blockIdx.y / gridDim.y;
  const int steps = static_cast<int>(tiles * (blockIdx.y + 1) / gridDim.y - first_tile) * Sizes::chunks;
  packed += first_tile * Sizes::chunks * Sizes::panel;
  const float* shared = reinterpret_cast<const float*>(ptx::shared_memory());

  NearestFloatTile<C> tile;
  tile.reset();
  load_float_step<C>(0, rows, z, packed);
  for (int step = 0; step < steps; ++step) {
    ptx::wait_for_copies<0>();
    __syncthreads();  // this step's values are there, and nobody reads the last one's any more
    if (step + 1 < steps) load_float_step<C>(step + 1, rows, z, packed);
    const float* panel = shared + step % 2 * Sizes::panel;
    const float* z_chunk = shared + 2 * Sizes::panel + step % Sizes::z_chunks * (Sizes::depth * Sizes::pitch);
    const bool is_first = step % Sizes::chunks == 0;
    if (is_first) tile.start(z_chunk, panel);
#pragma unroll 2  // the next reads while these multiply; not tuned on a GPU
    for (int c = is_first ? 1 : 0; c < Sizes::depth; ++c) tile.add(c, z_chunk, panel);
    if ((step + 1) % Sizes::chunks == 0) tile.keep_best(first_tile + step / Sizes::chunks);
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const Index row = Index{blockIdx.x} * Sizes::rows + tile.row(i);
    const NearestCandidate found = join_lanes<8>({tile.score[i], tile.second[i], tile.id[i]});
    if (threadIdx.x % 8 == 0 && row < rows) result.put(row, blockIdx.y, gridDim.y, found);
  }
}

}  // namespace tessera::thrust_detail
