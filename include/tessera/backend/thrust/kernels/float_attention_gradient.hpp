// The gradients of attention in float32: no product is rounded to less, exp is the library's.
#pragma once

#include <tessera/backend/thrust/kernels/attention_block.hpp>
#include <tessera/backend/thrust/kernels/attention_gradient_block.hpp>
#include <tessera/backend/thrust/kernels/float_products.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>

namespace tessera::thrust_detail {

template <Index D, Index heads, bool of_keys>
struct FloatAttentionGradient {
  static constexpr bool own_keys = of_keys;
  using Block = AttentionGradientBlock<float, D, heads, own_keys>;
  static constexpr int padded = HeadTile<float, D, heads>::padded;
  static constexpr float scale = attention_scale(D / heads);

  /// Owned rows and a tile of others, two arrays each, weights, and statistics.
  static constexpr int values(int rows, int others) {
    const int own = 8 * rows, tile = 16 * others;
    return (own + tile) * 2 * (padded + 4) + own * (tile + 4) + (own_keys ? tile : own) * 2;
  }
  static constexpr bool fits(int rows, int others) {
    return values(rows, others) * static_cast<int>(sizeof(float)) <= attention_shared_bytes;
  }
  /// At width 64 a thread keeps 8 x 2 of either product and 8 x 4 of either sum. A block has 64 owned rows and 32
  /// others, 61 KB: two last on an SM of sm_80, three on sm_90's. More others would leave one.
  static constexpr int rows = fits(8, 2) ? 8 : fits(4, 2) ? 4 : 2;
  static constexpr int others = fits(rows, 2) ? 2 : 1;
  using Products = FloatProducts<D, heads, rows, others>;
  static constexpr int block_rows = Products::own_rows, slices = 1;
  static constexpr int own_size = 2 * Products::own_rows * Products::stride;
  static constexpr int other_size = 2 * Products::tile * Products::stride;
  static constexpr int weights_size = Products::own_rows * Products::weight_stride;
  static constexpr int shared_bytes = values(rows, others) * static_cast<int>(sizeof(float));
  static_assert(fits(rows, others));
};

/// The products of own and other rows become p and ds.
template <class Sizes>
__device__ inline void weigh_slopes(float (&p)[Sizes::rows][Sizes::others], float (&ds)[Sizes::rows][Sizes::others],
                                    const QueryStatistics* statistics, int present) {
  using Products = typename Sizes::Products;
#pragma unroll
  for (int i = 0; i < Sizes::rows; ++i) {
#pragma unroll
    for (int j = 0; j < Sizes::others; ++j) {
      const int other = Products::other(j);
      const QueryStatistics query = statistics[Sizes::own_keys ? other : Products::row(i)];
      p[i][j] = other < present ? expf(p[i][j] * Sizes::scale - query.log_sum_exp) : 0;
      ds[i][j] = p[i][j] * (ds[i][j] - query.dy_y) * Sizes::scale;
    }
  }
}

template <Index D, Index heads, bool own_keys>
__global__ void __launch_bounds__(attention_threads) float_attention_gradient(AttentionGradientArrays<float> a) {
  using Sizes = FloatAttentionGradient<D, heads, own_keys>;
  using Products = typename Sizes::Products;
  using Tile = typename Products::Tile;
  auto* const own = reinterpret_cast<float*>(ptx::shared_memory());
  float* const other = own + Sizes::own_size;
  float* const weights = other + Sizes::other_size;
  auto* const statistics = reinterpret_cast<QueryStatistics*>(weights + Sizes::weights_size);
  constexpr int query_tile = own_keys ? Products::tile : Products::own_rows;
  const typename Sizes::Block block(a, blockIdx.x, Products::own_rows);
  const int thread = static_cast<int>(threadIdx.x);
  const int present = rows_left(block.own.rows, block.first, Products::own_rows);
  const bool working = thread / 32 * Products::warp_rows < present;  // else the warp only loads

  Tile::template load_pair<Products::own_rows>(own, block.own, block.first);
  if (!own_keys && thread < query_tile) statistics[thread] = block.statistics(block.first + thread, 1);
  float sums_one[Sizes::rows][Products::columns] = {};  // of ds other.one
  float sums_two[Sizes::rows][Products::columns] = {};  // of p other.two, where keys are owned
  for (Index first = 0; first < block.other.rows; first += Products::tile) {
    Tile::template load_pair<Products::tile>(other, block.other, first);
    if (own_keys && thread < query_tile) statistics[thread] = block.statistics(first + thread, 1);
    ptx::wait_for_copies<0>();
    __syncthreads();  // the rows are there
    if (working) {
      const float* const other_two = other + Products::tile * Products::stride;
      float p[Sizes::rows][Sizes::others], ds[Sizes::rows][Sizes::others];
      Products::multiply(p, own, other);
      Products::multiply(ds, own + Products::own_rows * Products::stride, other_two);
      weigh_slopes<Sizes>(p, ds, statistics, rows_left(block.other.rows, first, Products::tile));
      if constexpr (own_keys) {
        Products::store_weights(p, weights);
        __syncwarp();
        Products::add_weighted(sums_two, weights, other_two);
        __syncwarp();  // who has read p may be overwritten
      }
      Products::store_weights(ds, weights);
      __syncwarp();
      Products::add_weighted(sums_one, weights, other);
    }
    __syncthreads();  // nobody reads the rows any more
  }
#pragma unroll
  for (int i = 0; i < Sizes::rows; ++i) {
    if (Products::row(i) >= present) continue;
    float* const to = block.gradient + Products::row(i) * block.own.pitch;
    Products::store_row(sums_one[i], to);
    if constexpr (own_keys) Products::store_row(sums_two[i], to + D);
  }
}

}  // namespace tessera::thrust_detail
