// Tiles of one head's rows in shared memory, for attention in either format.
#pragma once

#include <tessera/backend/thrust/kernels/attention_block.hpp>
#include <tessera/backend/thrust/kernels/pack.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>

namespace tessera::thrust_detail {

/// A tile of one head's rows in shared memory. Columns behind the width, to a multiple of 16, and rows behind the last
/// are zeros: they add nothing to any sum.
template <class S, Index D, Index heads>
struct HeadTile {
  static constexpr int width = D / heads;
  static constexpr int padded = (width + 15) / 16 * 16;
  static constexpr int pack_size = thrust_detail::pack_size<S, width>;
  /// An odd number of 16-byte packs, so that packs of eight rows below one another lie in different banks whatever the
  /// width. (Exchanging packs by exclusive or needs no room between rows, but a register for every column's address.)
  static constexpr int stride = padded + static_cast<int>(16 / sizeof(S));

  /// Starts to copy `rows` rows that lie `pitch` apart, of which `present` exist.
  template <int rows>
  __device__ static void load(S* tile, const S* from, Index pitch, int present) {
    constexpr int packs = padded / pack_size;
#pragma unroll(pack_size > 1 ? rows * packs : 4)  // single values at once would take a register each
    for (int begin = 0; begin < rows * packs; begin += attention_threads) {
      const int i = begin + static_cast<int>(threadIdx.x);
      if (rows * packs % attention_threads != 0 && i >= rows * packs) break;
      const int row = i / packs, column = i % packs * pack_size;
      const bool valid = row < present && column < width;
      S* const to = tile + row * stride + column;
      const S* const source = from + row * pitch + column;  // not read where not valid
      if constexpr (pack_size > 1) {
        ptx::copy_async(to, source, valid);
      } else {
        *to = valid ? *source : S(0.0F);
      }
    }
  }

  /// `rows` rows of both arrays from `first` on, the second's tile behind the first's: a group of copies.
  template <int rows>
  __device__ static void load_pair(S* tiles, const RowPair<S>& pair, Index first) {
    const int present = rows_left(pair.rows, first, rows);
    load<rows>(tiles, pair.one + first * pair.pitch, pair.pitch, present);
    load<rows>(tiles + rows * stride, pair.two + first * pair.pitch, pair.pitch, present);
    ptx::commit_copies();
  }

  /// Writes the columns [begin, begin + columns) of the rows that are present.
  template <int rows, int columns>
  __device__ static void store(const S* tile, int begin, S* to, Index pitch, int present) {
    constexpr int packs = columns / pack_size;
    for (int i = static_cast<int>(threadIdx.x); i < rows * packs; i += attention_threads) {
      const int row = i / packs, column = begin + i % packs * pack_size;
      if (row >= present || column >= width) continue;
      const S* const from = tile + row * stride + column;
      if constexpr (pack_size > 1) {
        copy_pack(from, to + row * pitch + column);
      } else {
        to[row * pitch + column] = *from;
      }
    }
  }
};

}  // namespace tessera::thrust_detail
