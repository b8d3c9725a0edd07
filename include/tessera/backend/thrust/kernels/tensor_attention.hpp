// y = softmax(q k^T / sqrt(width)) v in bfloat16 on tensor cores, sums in float32: FlashAttention-2 (Dao 2023,
// arXiv:2307.08691, algorithm 1). A warp keeps its queries, their sums and a tile of weights in registers; tiles of
// keys and values come through shared memory, the next one while this one is used.
//
// A query's bits depend on no other query: an accumulator's rows are independent, keys come in tiles of a fixed size,
// and what four lanes hold of a row is added in one order wherever the row lies.
#pragma once

#include <tessera/backend/thrust/bfloat16.hpp>
#include <tessera/backend/thrust/kernels/attention_block.hpp>
#include <tessera/backend/thrust/kernels/head_tile.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>
#include <tessera/backend/thrust/kernels/tensor_fragments.hpp>

namespace tessera::thrust_detail {

template <Index D, Index heads>
struct TensorAttention {
  using Tile = HeadTile<bfloat16, D, heads>;
  static constexpr int padded = Tile::padded, stride = Tile::stride;
  /// Rows of 16 queries a warp: two where the registers last (width 64: 64 for y, 64 for weights, 32 for q), because
  /// each fragment of k or v then feeds four products instead of two. At two, counted and not measured, shared memory
  /// is as busy as the tensor cores.
  static constexpr int row_tiles = padded <= 64 ? 2 : 1;
  static constexpr int warp_queries = 16 * row_tiles;
  static constexpr int block_rows = attention_threads / 32 * warp_queries;
  /// Two tiles of 64 keys and values are 36 KB at width 64, so that shared memory allows four blocks on an SM of sm_80
  /// and registers decide. The wide ones have half, to fit at all.
  static constexpr int keys = padded <= 128 ? 64 : 32;
  static constexpr bool kept = padded <= 128;
  static constexpr int stage = 2 * keys * stride;  // values of one tile of keys and one of values
  /// Queries that are kept in registers pass through the stage that is not in use yet.
  static constexpr int query_tile = kept ? stage : 2 * stage;
  static constexpr int shared_bytes =
      (2 * stage + (kept ? 0 : block_rows * stride)) * static_cast<int>(sizeof(bfloat16));
  static_assert(block_rows <= (kept ? 1 : 2) * 2 * keys && shared_bytes <= attention_shared_bytes);

  static constexpr int slices = 1;
  static constexpr float scale = attention_scale(D / heads);
};

/// The queries of one warp.
template <class Sizes>
struct WarpQueries {
  static constexpr int rows = Sizes::row_tiles, stride = Sizes::stride;
  static constexpr int key_groups = Sizes::keys / 8, column_groups = Sizes::padded / 8;

  LeftRows<Sizes::padded / 16, stride, Sizes::kept> q[rows];
  float y[rows][column_groups][4];  // sums of weights times values
  float largest[rows][2];           // score, before its scale, of each of the lane's two rows of 16
  float sum[rows][2];               // of this lane's weights

  __device__ void start(const bfloat16* q_tile) {
#pragma unroll
    for (int m = 0; m < rows; ++m) {
      q[m].start(q_tile + m * 16 * stride);
      for (int half = 0; half < 2; ++half) {
        largest[m][half] = lowest_score;
        sum[m][half] = 0;
      }
      for (int c = 0; c < column_groups; ++c) {
        for (int i = 0; i < 4; ++i) y[m][c][i] = 0;
      }
    }
  }

  __device__ void add_keys(const bfloat16* k, const bfloat16* v, int present) {
    float weights[rows][key_groups][4] = {};
    add_scores(weights, k);
    if (present < Sizes::keys) hide_keys(weights, present);
#pragma unroll
    for (int m = 0; m < rows; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) weigh(weights[m], y[m], half, largest[m][half], sum[m][half]);
    }
    add_values(weights, v);
  }

  /// Writes y to shared memory, and log_sum_exp of the rows that are present.
  __device__ void finish(bfloat16* y_tile, float* log_sum_exp, int present) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int m = 0; m < rows; ++m) {
      float inverse[2];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float total = sum[m][half];
        total += __shfl_xor_sync(~0U, total, 1);
        total += __shfl_xor_sync(~0U, total, 2);
        inverse[half] = 1 / total;
        const int row = m * 16 + half * 8 + lane / 4;
        if (log_sum_exp != nullptr && lane % 4 == 0 && row < present) {
          // (largest * factor) as `weigh` rounded it
          log_sum_exp[row] = fmaf(largest[m][half] * (Sizes::scale * log2_e), ln_2, logf(total));
        }
      }
#pragma unroll
      for (int c = 0; c < column_groups; ++c) {
        store_accumulator<stride>(y[m][c], inverse[0], inverse[1], y_tile + m * 16 * stride + c * 8);
      }
    }
  }

 private:
  __device__ void add_scores(float (&scores)[rows][key_groups][4], const bfloat16* k) const {
    const bfloat16* const lane_k = columns_from_rows<stride>(k);
#pragma unroll
    for (int c = 0; c < Sizes::padded; c += 16) {
      std::uint32_t left[rows][4], right[4];
#pragma unroll
      for (int m = 0; m < rows; ++m) q[m].get(c / 16, left[m]);
#pragma unroll
      for (int j = 0; j < key_groups; j += 2) {
        ptx::load_matrices(right, lane_k + j * 8 * stride + c);
#pragma unroll
        for (int m = 0; m < rows; ++m) multiply_add(scores[m][j], scores[m][j + 1], left[m], right);
      }
    }
  }

  /// Scores of keys that do not exist become -infinity. There is one key at least, so no row's largest is.
  __device__ static void hide_keys(float (&scores)[rows][key_groups][4], int present) {
    const int lane_key = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
    for (int m = 0; m < rows; ++m) {
#pragma unroll
      for (int j = 0; j < key_groups; ++j) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if (j * 8 + lane_key + i % 2 >= present) scores[m][j][i] = lowest_score;
        }
      }
    }
  }

  /// Scores of a row become weights 2^((score - largest) scale log2(e)); what was summed before shrinks to the new
  /// largest score (Milakov and Gimelshein 2018, arXiv:1805.02867). The four lanes of a row go together.
  __device__ static void weigh(float (&scores)[key_groups][4], float (&y_row)[column_groups][4], int half,
                               float& row_largest, float& row_sum) {
    constexpr float factor = Sizes::scale * log2_e;
    float top = row_largest;
#pragma unroll
    for (int j = 0; j < key_groups; ++j) top = fmaxf(top, fmaxf(scores[j][half * 2], scores[j][half * 2 + 1]));
    top = fmaxf(top, __shfl_xor_sync(~0U, top, 1));
    top = fmaxf(top, __shfl_xor_sync(~0U, top, 2));
    const float shrink = ptx::exp2((row_largest - top) * factor);
    const float shift = top * factor;
    float total = 0;
#pragma unroll
    for (int j = 0; j < key_groups; ++j) {
#pragma unroll
      for (int i = half * 2; i < half * 2 + 2; ++i) {
        scores[j][i] = ptx::exp2(fmaf(scores[j][i], factor, -shift));
        total += scores[j][i];
      }
    }
#pragma unroll
    for (int c = 0; c < column_groups; ++c) {
      y_row[c][half * 2] *= shrink;
      y_row[c][half * 2 + 1] *= shrink;
    }
    row_largest = top;
    row_sum = fmaf(row_sum, shrink, total);
  }

  __device__ void add_values(const float (&weights)[rows][key_groups][4], const bfloat16* v) {
    const bfloat16* const lane_v = rows_from_rows<stride>(v);
#pragma unroll
    for (int j = 0; j < key_groups; j += 2) {
      std::uint32_t left[rows][4], right[4];
#pragma unroll
      for (int m = 0; m < rows; ++m) pack_left(left[m], weights[m][j], weights[m][j + 1]);
#pragma unroll
      for (int c = 0; c < column_groups; c += 2) {
        ptx::load_matrices_transposed(right, lane_v + j * 8 * stride + c * 8);
#pragma unroll
        for (int m = 0; m < rows; ++m) multiply_add(y[m][c], y[m][c + 1], left[m], right);
      }
    }
  }
};

template <Index D, Index heads>
__global__ void __launch_bounds__(attention_threads) tensor_attention(AttentionArrays<bfloat16> a) {
  using Sizes = TensorAttention<D, heads>;
  using Tile = typename Sizes::Tile;
  auto* const shared = reinterpret_cast<bfloat16*>(ptx::shared_memory());
  const AttentionBlock<bfloat16, D, heads> block(a, blockIdx.x, Sizes::block_rows);

  Tile::template load<Sizes::block_rows>(shared + Sizes::query_tile, block.q, D, block.queries);
  Tile::template load_pair<Sizes::keys>(shared, block.keys, 0);
  ptx::wait_for_copies<0>();
  __syncthreads();
  const int warp_row = static_cast<int>(threadIdx.x) / 32 * Sizes::warp_queries;
  const bool working = warp_row < block.queries;  // else the warp only loads
  WarpQueries<Sizes> mine;
  mine.start(shared + Sizes::query_tile + warp_row * Sizes::stride);
  if constexpr (Sizes::kept) __syncthreads();  // the queries' stage is free

  bfloat16 *stage = shared, *next_stage = shared + Sizes::stage;
  for (Index first = 0; first < block.keys.rows; first += Sizes::keys) {
    const Index next = first + Sizes::keys;
    if (next < block.keys.rows) Tile::template load_pair<Sizes::keys>(next_stage, block.keys, next);
    if (working)
      mine.add_keys(stage, stage + Sizes::keys * Sizes::stride, rows_left(block.keys.rows, first, Sizes::keys));
    ptx::wait_for_copies<0>();
    __syncthreads();  // the next stage is there, and this one free
    bfloat16* const used = stage;
    stage = next_stage;
    next_stage = used;
  }

  if (working) {
    float* const log_sum_exp = block.log_sum_exp == nullptr ? nullptr : block.log_sum_exp + warp_row;
    mine.finish(shared + warp_row * Sizes::stride, log_sum_exp, block.queries - warp_row);
  }
  __syncthreads();
  Tile::template store<Sizes::block_rows, Sizes::padded>(shared, 0, block.y, D, block.queries);
}

}  // namespace tessera::thrust_detail
