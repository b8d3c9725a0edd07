// y = softmax(q k^T / sqrt(width)) v in float32: no product is rounded to less, exp is the library's. Tiles as by Dao
// (2023, arXiv:2307.08691, algorithm 1), products on the ordinary cores. A query's bits depend on no other query.
#pragma once

#include <tessera/backend/thrust/host_device.hpp>
#include <tessera/backend/thrust/kernels/attention_block.hpp>
#include <tessera/backend/thrust/kernels/float_products.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>

namespace tessera::thrust_detail {

template <Index D, Index heads>
struct FloatAttention {
  static constexpr int padded = HeadTile<float, D, heads>::padded;
  /// At width 64 a thread keeps 8 x 4 scores and 8 x 4 sums, and loads 12 packs for 128 multiply-adds. A block has 64
  /// queries, 64 keys and 64 values of 17 KB each: three last on an SM of sm_80. Wide heads have to do with less.
  static constexpr int rows = padded <= 128 ? 8 : 4;
  static constexpr int others = padded <= 64 ? 4 : 2;
  /// Blocks that an SM's registers shall last for.
  static constexpr int blocks_per_processor = padded <= 64 ? 3 : 1;
  using Products = FloatProducts<D, heads, rows, others>;
  static constexpr int block_rows = Products::own_rows, keys = Products::tile, columns = Products::columns;

  static constexpr int q_size = block_rows * Products::stride;
  static constexpr int v_size = keys * Products::stride;
  static constexpr int weights_size = block_rows * Products::weight_stride;
  static constexpr int k_size = static_cast<int>(larger(v_size, weights_size));  // weights lie where the keys were
  static constexpr int shared_bytes = (q_size + k_size + v_size) * static_cast<int>(sizeof(float));
  static_assert(shared_bytes <= attention_shared_bytes);

  static constexpr int slices = 1;
  static constexpr float scale = attention_scale(D / heads);
};

/// The queries of one thread, which sixteen lanes share.
template <class Sizes>
struct FloatQueries {
  using Products = typename Sizes::Products;
  static constexpr int rows = Sizes::rows, others = Sizes::others, columns = Sizes::columns;

  float y[rows][columns];  // sums of weights times values
  float largest[rows];     // score
  float sum[rows];         // of this lane's weights

  __device__ void start() {
    for (int i = 0; i < rows; ++i) {
      largest[i] = lowest_score;
      sum[i] = 0;
      for (int c = 0; c < columns; ++c) y[i][c] = 0;
    }
  }

  /// Products of queries and keys become weights exp(score - largest); what was summed before shrinks to the new
  /// largest score (Milakov and Gimelshein 2018, arXiv:1805.02867).
  __device__ void weigh(float (&weights)[rows][others], int present) {
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      float top = largest[i];
#pragma unroll
      for (int j = 0; j < others; ++j) {
        weights[i][j] = Products::other(j) < present ? weights[i][j] * Sizes::scale : lowest_score;
        top = fmaxf(top, weights[i][j]);
      }
#pragma unroll
      for (int lanes = 8; lanes > 0; lanes /= 2) top = fmaxf(top, __shfl_xor_sync(~0U, top, lanes));
      const float shrink = expf(largest[i] - top);
      sum[i] *= shrink;
#pragma unroll
      for (int j = 0; j < others; ++j) {
        weights[i][j] = expf(weights[i][j] - top);
        sum[i] += weights[i][j];
      }
#pragma unroll
      for (int c = 0; c < columns; ++c) y[i][c] *= shrink;
      largest[i] = top;
    }
  }

  /// to, log_sum_exp: of the block's first query.
  __device__ void finish(float* to, Index pitch, float* log_sum_exp, int present) {
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      float total = sum[i];
#pragma unroll
      for (int lanes = 8; lanes > 0; lanes /= 2) total += __shfl_xor_sync(~0U, total, lanes);
      const int row = Products::row(i);
#pragma unroll
      for (int c = 0; c < columns; ++c) y[i][c] /= total;
      if (row < present) {
        Products::store_row(y[i], to + row * pitch);
        if (log_sum_exp != nullptr && Products::lane() == 0) log_sum_exp[row] = largest[i] + logf(total);
      }
    }
  }
};

template <Index D, Index heads>
__global__ void __launch_bounds__(attention_threads, (FloatAttention<D, heads>::blocks_per_processor))
    float_attention(AttentionArrays<float> a) {
  using Sizes = FloatAttention<D, heads>;
  using Products = typename Sizes::Products;
  using Tile = typename Products::Tile;
  auto* const q_tile = reinterpret_cast<float*>(ptx::shared_memory());
  float* const k_tile = q_tile + Sizes::q_size;
  float* const v_tile = k_tile + Sizes::k_size;
  const AttentionBlock<float, D, heads> block(a, blockIdx.x, Sizes::block_rows);
  const bool working =
      static_cast<int>(threadIdx.x) / 32 * Products::warp_rows < block.queries;  // else the warp only loads

  Tile::template load<Sizes::block_rows>(q_tile, block.q, D, block.queries);
  FloatQueries<Sizes> mine;
  mine.start();
  for (Index first = 0; first < block.keys.rows; first += Sizes::keys) {
    const int keys = rows_left(block.keys.rows, first, Sizes::keys);
    float weights[Sizes::rows][Sizes::others];
    Tile::template load<Sizes::keys>(k_tile, block.keys.one + first * block.keys.pitch, block.keys.pitch, keys);
    ptx::commit_copies();
    Tile::template load<Sizes::keys>(v_tile, block.keys.two + first * block.keys.pitch, block.keys.pitch, keys);
    ptx::commit_copies();
    ptx::wait_for_copies<1>();
    __syncthreads();  // queries and keys are there
    if (working) Products::multiply(weights, q_tile, k_tile);
    __syncthreads();  // nobody reads the keys any more
    if (working) {
      mine.weigh(weights, keys);
      Products::store_weights(weights, k_tile);
    }
    ptx::wait_for_copies<0>();
    __syncthreads();  // values and weights are there
    if (working) Products::add_weighted(mine.y, k_tile, v_tile);
    __syncthreads();  // nobody reads them any more
  }
  if (!working) return;
  mine.finish(block.y, D, block.log_sum_exp, block.queries);
}

}  // namespace tessera::thrust_detail
