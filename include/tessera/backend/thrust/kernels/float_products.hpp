// Products of tiles of float32 by a block's 128 threads, every sum a chain of fused multiply-adds in ascending order.
// A thread makes `rows` rows times `others` columns of a product: it loads rows + others packs of four values for
// 4 * rows * others multiply-adds.
//
// Sixteen lanes go together over one set of rows, with their columns next to one another; a warp has two such sets. So
// lanes read either one address or, tiles' rows being an odd number of packs apart, different banks.
#pragma once

#include <tessera/backend/thrust/kernels/attention_block.hpp>
#include <tessera/backend/thrust/kernels/head_tile.hpp>
#include <tessera/backend/thrust/kernels/pack.hpp>

namespace tessera::thrust_detail {

template <Index D, Index heads, int rows, int others>
struct FloatProducts {
  using Tile = HeadTile<float, D, heads>;
  static constexpr int stride = Tile::stride;
  static constexpr int own_rows = attention_threads / 16 * rows;  // a block's; a warp's follow one another
  static constexpr int warp_rows = 2 * rows;
  static constexpr int tile = 16 * others;  // rows of the other side

  /// Weights [own_rows, tile] in shared memory: read by the warp that wrote them.
  static constexpr int weight_stride = tile + 4;
  /// Columns of a weighted sum that a thread makes: where they come out even, four that one load brings.
  static constexpr int columns = Tile::padded / 16;
  static constexpr int pack_size = columns % 4 == 0 ? 4 : 1;

  __device__ static int lane() { return static_cast<int>(threadIdx.x) % 16; }
  /// Of the block's rows, this thread's i-th.
  __device__ static int row(int i) {
    return static_cast<int>(threadIdx.x) / 32 * warp_rows + static_cast<int>(threadIdx.x) / 16 % 2 + 2 * i;
  }
  /// Of a tile's rows, which are a product's columns, this thread's j-th.
  __device__ static int other(int j) { return lane() + 16 * j; }
  /// Of a head's columns, this thread's c-th.
  __device__ static int column(int c) { return c / pack_size * 16 * pack_size + lane() * pack_size + c % pack_size; }

  /// products = own other^T
  __device__ static void multiply(float (&products)[rows][others], const float* own, const float* other_tile) {
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < others; ++j) products[i][j] = 0;
    }
#pragma unroll 1
    for (int k = 0; k < (Tile::width + 3) / 4 * 4; k += 4) {
      float right[others][4];
#pragma unroll
      for (int j = 0; j < others; ++j) load_pack(other_tile + other(j) * stride + k, right[j]);
#pragma unroll
      for (int i = 0; i < rows; ++i) {
        float left[4];
        load_pack(own + row(i) * stride + k, left);
#pragma unroll
        for (int j = 0; j < others; ++j) {
#pragma unroll
          for (int e = 0; e < 4; ++e) products[i][j] = fmaf(left[e], right[j][e], products[i][j]);
        }
      }
    }
  }

  __device__ static void store_weights(const float (&values)[rows][others], float* weights) {
#pragma unroll
    for (int i = 0; i < rows; ++i) {
#pragma unroll
      for (int j = 0; j < others; ++j) weights[row(i) * weight_stride + other(j)] = values[i][j];
    }
  }

  /// sums += weights other
  __device__ static void add_weighted(float (&sums)[rows][columns], const float* weights, const float* other_tile) {
#pragma unroll 1
    for (int k = 0; k < tile; k += 4) {
      float left[rows][4];
#pragma unroll
      for (int i = 0; i < rows; ++i) load_pack(weights + row(i) * weight_stride + k, left[i]);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
#pragma unroll
        for (int c = 0; c < columns; c += pack_size) {
          float right[pack_size];
          load_pack(other_tile + (k + e) * stride + column(c), right);
#pragma unroll
          for (int i = 0; i < rows; ++i) {
#pragma unroll
            for (int p = 0; p < pack_size; ++p) sums[i][c + p] = fmaf(left[i][e], right[p], sums[i][c + p]);
          }
        }
      }
    }
  }

  /// Writes a thread's values of one row; sixteen lanes write neighbours.
  __device__ static void store_row(const float (&values)[columns], float* to) {
#pragma unroll
    for (int c = 0; c < columns; c += pack_size) {
      if constexpr (Tile::width % 64 == 0) {
        store_pack({values[c], values[c + 1], values[c + 2], values[c + 3]}, to + column(c));
      } else {
        for (int p = 0; p < pack_size; ++p) {
          if (column(c + p) < Tile::width) to[column(c + p)] = values[c + p];
        }
      }
    }
  }
};

}  // namespace tessera::thrust_detail
