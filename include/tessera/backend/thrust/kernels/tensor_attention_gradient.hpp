// The gradients of attention in bfloat16 on tensor cores, sums in float32 (Dao 2023, arXiv:2307.08691, algorithm 2). p
// and ds stay in registers: what a product leaves is the next one's left factor.
#pragma once

#include <tessera/backend/thrust/bfloat16.hpp>
#include <tessera/backend/thrust/kernels/attention_block.hpp>
#include <tessera/backend/thrust/kernels/attention_gradient_block.hpp>
#include <tessera/backend/thrust/kernels/head_tile.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>
#include <tessera/backend/thrust/kernels/tensor_fragments.hpp>

namespace tessera::thrust_detail {

template <Index D, Index heads, bool of_keys>
struct TensorAttentionGradient {
  static constexpr bool own_keys = of_keys;
  using Tile = HeadTile<bfloat16, D, heads>;
  using Block = AttentionGradientBlock<bfloat16, D, heads, own_keys>;
  static constexpr int padded = Tile::padded, stride = Tile::stride;
  static constexpr float scale = attention_scale(D / heads);

  /// Up to this width the owned rows stay in registers. At width 64, with 16 rows a warp, they take 32 of a thread's
  /// registers and the sums 64 (keys) or 32 (queries). Twice the rows would halve the loads from shared memory, but
  /// leave the 255 registers of a thread no room.
  static constexpr bool kept = padded <= 96;
  /// Blocks that an SM's registers shall last for: a thread may have 168 of them, or 128.
  static constexpr int blocks_per_processor = padded > 64 ? 1 : own_keys ? 3 : 4;
  /// The sums of wide keys do not last in registers: a block makes a slice of their columns.
  static constexpr int slices = own_keys && padded > 128 ? 2 : 1;
  static constexpr int slice = (padded / slices + 15) / 16 * 16;

  static constexpr int bytes(int warps, int tile) {
    const int own_and_stages = ((kept ? 0 : warps * 16) + 2 * tile) * 2 * stride * static_cast<int>(sizeof(bfloat16));
    return own_and_stages + 2 * tile * static_cast<int>(sizeof(QueryStatistics));
  }
  static constexpr bool fits(int warps, int tile) { return bytes(warps, tile) <= attention_shared_bytes; }
  static constexpr int warps = fits(4, 16) ? 4 : 2;  // that own rows
  static constexpr int block_rows = warps * 16;
  /// Rows of the other side: 64 in two stages are 37 KB at width 64, four blocks' on an SM of sm_80.
  static constexpr int tile = fits(warps, 64) ? 64 : fits(warps, 32) ? 32 : 16;
  static constexpr int stage = 2 * tile * stride;
  /// Owned rows that are kept in registers pass through the stage that is not in use yet.
  static constexpr int own_tile = kept ? stage : 2 * stage;
  static constexpr int shared_bytes = bytes(warps, tile);
  static_assert(fits(warps, tile) && (!kept || block_rows <= tile));
};

/// The owned rows of one warp.
template <class Sizes>
struct WarpGradient {
  static constexpr int stride = Sizes::stride, column_groups = Sizes::slice / 8;
  using Left = LeftRows<Sizes::padded / 16, stride, Sizes::kept>;

  Left one, two;
  float sums_one[column_groups][4];                        // of ds other.one
  float sums_two[Sizes::own_keys ? column_groups : 1][4];  // of p other.two
  QueryStatistics own[Sizes::own_keys ? 1 : 2];            // of the lane's two rows, where they are queries

  /// first: the warp's first row.
  __device__ void start(const bfloat16* own_tile, const typename Sizes::Block& block, Index first) {
    if constexpr (!Sizes::own_keys) {
      const Index row = first + static_cast<int>(threadIdx.x) % 32 / 4;
      for (int half = 0; half < 2; ++half) own[half] = block.statistics(row + half * 8, log2_e);
    }
    one.start(own_tile);
    two.start(own_tile + Sizes::block_rows * stride);
    for (int c = 0; c < column_groups; ++c) {
      for (int i = 0; i < 4; ++i) {
        sums_one[c][i] = 0;
        if constexpr (Sizes::own_keys) sums_two[c][i] = 0;
      }
    }
  }

  /// other: a stage of shared memory; statistics: of its rows, where those are queries; begin: the slice's first
  /// column.
  __device__ void add_rows(const bfloat16* other, const QueryStatistics* statistics, int present, int begin) {
#pragma unroll 1
    for (int row = 0; row < Sizes::tile; row += 16) {
      const bfloat16* const other_one = other + row * stride;
      const bfloat16* const other_two = other_one + Sizes::tile * stride;
      float p[2][4] = {}, ds[2][4] = {};  // at first the two products
      add_products(p, one, other_one);
      add_products(ds, two, other_two);
      weigh(p, ds, statistics + row, present - row);
      std::uint32_t left[4];
      if constexpr (Sizes::own_keys) {
        pack_left(left, p[0], p[1]);
        add_weighted(sums_two, left, other_two, begin);
      }
      pack_left(left, ds[0], ds[1]);
      add_weighted(sums_one, left, other_one, begin);
    }
  }

  /// Writes a slice of both gradients, or of dq, to shared memory.
  __device__ void finish(bfloat16* own_tile, int begin) const {
#pragma unroll
    for (int c = 0; c < column_groups; ++c) {
      if (Sizes::slices > 1 && begin + c * 8 >= Sizes::padded) break;
      bfloat16* const to = own_tile + begin + c * 8;
      store_accumulator<stride>(sums_one[c], Sizes::scale, Sizes::scale, to);
      if constexpr (Sizes::own_keys) store_accumulator<stride>(sums_two[c], 1, 1, to + Sizes::block_rows * stride);
    }
  }

 private:
  __device__ static void add_products(float (&products)[2][4], const Left& own, const bfloat16* other) {
    const bfloat16* const lane_other = columns_from_rows<stride>(other);
#pragma unroll(Sizes::kept ? Sizes::padded / 16 : 4)  // else nvcc loads more at once than lasts in registers
    for (int c = 0; c < Sizes::padded; c += 16) {
      std::uint32_t left[4], right[4];
      own.get(c / 16, left);
      ptx::load_matrices(right, lane_other + c);
      multiply_add(products[0], products[1], left, right);
    }
  }

  /// The products become p and ds.
  __device__ void weigh(float (&p)[2][4], float (&ds)[2][4], const QueryStatistics* statistics, int present) const {
    const int lane_column = static_cast<int>(threadIdx.x) % 4 * 2;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int column = j * 8 + lane_column + i % 2;
        const QueryStatistics query = Sizes::own_keys ? statistics[column] : own[Sizes::own_keys ? 0 : i / 2];
        const float weight = ptx::exp2(fmaf(p[j][i], Sizes::scale * log2_e, -query.log_sum_exp));
        p[j][i] = column < present ? weight : 0;
        ds[j][i] = p[j][i] * (ds[j][i] - query.dy_y);
      }
    }
  }

  __device__ static void add_weighted(float (&sums)[column_groups][4], const std::uint32_t (&left)[4],
                                      const bfloat16* other, int begin) {
    const bfloat16* const lane_other = rows_from_rows<stride>(other) + begin;
#pragma unroll
    for (int c = 0; c < column_groups; c += 2) {
      if (Sizes::slices > 1 && begin + c * 8 >= Sizes::padded) break;  // the last slice may be shorter
      std::uint32_t right[4];
      ptx::load_matrices_transposed(right, lane_other + c * 8);
      multiply_add(sums[c], sums[c + 1], left, right);
    }
  }
};

template <Index D, Index heads, bool own_keys>
__global__ void __launch_bounds__(attention_threads,
                                  (TensorAttentionGradient<D, heads, own_keys>::blocks_per_processor))
    tensor_attention_gradient(AttentionGradientArrays<bfloat16> a) {
  using Sizes = TensorAttentionGradient<D, heads, own_keys>;
  using Tile = typename Sizes::Tile;
  auto* const shared = reinterpret_cast<bfloat16*>(ptx::shared_memory());
  auto* const statistics = reinterpret_cast<QueryStatistics*>(
      ptx::shared_memory() + Sizes::shared_bytes - 2 * Sizes::tile * static_cast<int>(sizeof(QueryStatistics)));
  const typename Sizes::Block block(a, blockIdx.x / Sizes::slices, Sizes::block_rows);
  const int begin = static_cast<int>(blockIdx.x) % Sizes::slices * Sizes::slice;
  const int thread = static_cast<int>(threadIdx.x);
  const int present = rows_left(block.own.rows, block.first, Sizes::block_rows);

  Tile::template load_pair<Sizes::block_rows>(shared + Sizes::own_tile, block.own, block.first);
  Tile::template load_pair<Sizes::tile>(shared, block.other, 0);
  if (own_keys && thread < Sizes::tile) statistics[thread] = block.statistics(thread, log2_e);
  ptx::wait_for_copies<0>();
  __syncthreads();
  const int warp_row = thread / 32 * 16;
  const bool working = warp_row < present;  // else the warp only loads
  WarpGradient<Sizes> mine;
  if (working) mine.start(shared + Sizes::own_tile + warp_row * Sizes::stride, block, block.first + warp_row);
  if constexpr (Sizes::kept) __syncthreads();  // the owned rows' stage is free

  int stage = 0;
  for (Index first = 0; first < block.other.rows; first += Sizes::tile) {
    const Index next = first + Sizes::tile;
    QueryStatistics next_statistics{};
    if (next < block.other.rows) {
      Tile::template load_pair<Sizes::tile>(shared + (1 - stage) * Sizes::stage, block.other, next);
      if (own_keys && thread < Sizes::tile) next_statistics = block.statistics(next + thread, log2_e);
      __syncwarp();  // lanes may have parted, and ldmatrix and mma need them all
    }
    if (working) {
      mine.add_rows(shared + stage * Sizes::stage, statistics + stage * Sizes::tile,
                    rows_left(block.other.rows, first, Sizes::tile), begin);
    }
    stage = 1 - stage;
    if (own_keys && thread < Sizes::tile) statistics[stage * Sizes::tile + thread] = next_statistics;
    ptx::wait_for_copies<0>();
    __syncthreads();  // the next stage is there, and this one free
  }

  if (working) mine.finish(shared + warp_row * Sizes::stride, begin);
  __syncthreads();
  Tile::template store<Sizes::block_rows, Sizes::slice>(shared, begin, block.gradient, block.own.pitch, present);
  if constexpr (own_keys) {
    Tile::template store<Sizes::block_rows, Sizes::slice>(shared + Sizes::block_rows * Sizes::stride, begin,
                                                          block.gradient + D, block.own.pitch, present);
  }
}

}  // namespace tessera::thrust_detail
