// What the attention kernels share: which rows a block of threads works on, and tiles of them in shared memory.
#pragma once

#include <limits>

#include <tessera/backend/thrust/attention.hpp>
#include <tessera/backend/thrust/kernels/pack.hpp>

namespace tessera::thrust_detail {

inline constexpr int attention_threads = 128;  // of every attention kernel: four warps

/// What one block may have on every GPU from sm_80 on: 99 KB (sm_86, sm_89; others have more).
inline constexpr int attention_shared_bytes = 99 << 10;

/// Wider heads would not fit there: at 256 a gradient's block owns 32 rows in bfloat16 and 16 in float32.
inline constexpr Index widest_attention_kernel = 256;

inline constexpr float lowest_score = -std::numeric_limits<float>::infinity();
inline constexpr float log2_e = 1.44269504F;
inline constexpr float log_2 = 0.693147181F;

/// 1 / sqrt(width) to the last bit: CUDA has no square root that the compiler may evaluate, so Newton's.
constexpr float attention_scale(Index width) {
  double root = static_cast<double>(width);
  for (int i = 0; i < 64; ++i) root = (root + static_cast<double>(width) / root) / 2;
  return static_cast<float>(1 / root);
}

/// The arrays of one call, shapes as in AttentionRows.
template <class S>
struct AttentionArrays {
  Index q_rows, kv_rows;
  const S* q;            // [batch, q_rows, D]
  const S* kv;           // [batch, kv_rows, 2 D]
  S* y;                  // [batch, q_rows, D]
  Wide<S>* log_sum_exp;  // [batch, heads, q_rows], or null
};

/// Blocks of threads are counted as [batch, heads, blocks of rows] along the grid's x, the one without a limit of
/// 65535. Those of one head follow one another, so that the rows they all read stay in the second-level cache.
template <Index D, Index heads>
struct HeadBlock {
  Index image, head;  // head: its first column
  Index first;        // row

  __device__ HeadBlock(unsigned block, Index rows, int rows_per_block) {
    const auto blocks = static_cast<unsigned>((rows + rows_per_block - 1) / rows_per_block);
    first = static_cast<Index>(block % blocks) * rows_per_block;
    head = block / blocks % heads * (D / heads);
    image = block / blocks / heads;
  }
};

/// How many of `wanted` rows from `first` on exist.
__device__ inline int rows_left(Index rows, Index first, int wanted) {
  return static_cast<int>(smaller(rows - first, wanted));
}

/// A head's rows of two arrays that go together: k and v, or q and dy.
template <class S>
struct RowPair {
  const S* one;
  const S* two;
  Index pitch;  // from row to row, of either
  Index rows;
};

/// A tile of one head's rows in shared memory. Columns behind the width, to a multiple of 16, and rows behind the last
/// are zeros: they add nothing to any sum.
template <class S, Index D, Index heads>
struct HeadTile {
  static constexpr int width = D / heads;
  static constexpr int padded = (width + 15) / 16 * 16;
  static constexpr int piece = pack_size<S, width>;  // values that are moved at once
  /// An odd number of 16-byte packs, so that packs of eight rows below one another lie in different banks whatever the
  /// width. (Exchanging packs by exclusive or needs no room between rows, but a register for every column's address.)
  static constexpr int stride = padded + static_cast<int>(16 / sizeof(S));

  /// Starts to copy `rows` rows that lie `pitch` apart, of which `present` exist.
  template <int rows>
  __device__ static void load(S* tile, const S* from, Index pitch, int present) {
    constexpr int pieces = padded / piece;
#pragma unroll(piece > 1 ? rows * pieces : 4)  // single values at once would take a register each
    for (int begin = 0; begin < rows * pieces; begin += attention_threads) {
      const int i = begin + static_cast<int>(threadIdx.x);
      if (rows * pieces % attention_threads != 0 && i >= rows * pieces) break;
      const int row = i / pieces, column = i % pieces * piece;
      const bool valid = row < present && column < width;
      S* const to = tile + row * stride + column;
      const S* const source = from + row * pitch + column;  // not read where not valid
      if constexpr (piece > 1) {
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
    constexpr int pieces = columns / piece;
    for (int i = static_cast<int>(threadIdx.x); i < rows * pieces; i += attention_threads) {
      const int row = i / pieces, column = begin + i % pieces * piece;
      if (row >= present || column >= width) continue;
      const S* const from = tile + row * stride + column;
      if constexpr (piece > 1) {
        const uint4 words = *reinterpret_cast<const uint4*>(from);
        ptx::store(to + row * pitch + column, {words.x, words.y, words.z, words.w});
      } else {
        to[row * pitch + column] = *from;
      }
    }
  }
};

}  // namespace tessera::thrust_detail
