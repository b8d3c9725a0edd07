// What the attention kernels share: which rows a block of threads works on, and what the forward kernels know of them.
#pragma once

#include <limits>

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/attention.hpp>
#include <tessera/backend/thrust/host_device.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>

namespace tessera::thrust_detail {

inline constexpr int attention_threads = 128;  // of every attention kernel: four warps

/// What one block may have on every GPU from sm_80 on: 99 KB (sm_86, sm_89; others have more).
inline constexpr int attention_shared_bytes = 99 << 10;

/// Wider heads would not fit there: at 256 a gradient's block owns 32 rows in bfloat16 and 16 in float32.
inline constexpr Index widest_attention_kernel = 256;

inline constexpr float lowest_score = -std::numeric_limits<float>::infinity();
inline constexpr float log2_e = 1.44269504F;
inline constexpr float ln_2 = 0.693147181F;

/// 1 / sqrt(width) to the last bit: CUDA has no square root that the compiler may evaluate, so Newton's.
constexpr float attention_scale(Index width) {
  double root = static_cast<double>(width);
  for (int i = 0; i < 64; ++i) root = (root + static_cast<double>(width) / root) / 2;
  return static_cast<float>(1 / root);
}

/// Blocks of threads are counted as [batch, heads, blocks of rows] along the grid's x, the one without a limit of
/// 65535. Those of one head follow one another, so that the rows they all read stay in the second-level cache.
template <Index D, Index heads>
struct HeadBlock {
  Index image, first_column;
  Index first;  // row

  __device__ HeadBlock(unsigned block, Index rows, int rows_per_block) {
    const auto blocks = static_cast<unsigned>((rows + rows_per_block - 1) / rows_per_block);
    first = static_cast<Index>(block % blocks) * rows_per_block;
    first_column = block / blocks % heads * (D / heads);
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

/// The arrays of one call, shapes as in AttentionRows.
template <class S>
struct AttentionArrays {
  Index q_rows, kv_rows;
  const S* q;            // [batch, q_rows, D]
  const S* kv;           // [batch, kv_rows, 2 D]
  S* y;                  // [batch, q_rows, D]
  Wide<S>* log_sum_exp;  // [batch, heads, q_rows], or null
};

/// What a block of the forward kernels works on, in either format.
template <class S, Index D, Index heads>
struct AttentionBlock {
  const S* q;  // these two: of the block's first query
  S* y;
  int queries;         // that exist
  RowPair<S> keys;     // k and v
  float* log_sum_exp;  // of the block's first query, or null

  __device__ AttentionBlock(const AttentionArrays<S>& a, unsigned block, int rows_per_block) {
    const HeadBlock<D, heads> at(block, a.q_rows, rows_per_block);
    const AttentionRows<D, heads> rows{a.q_rows, a.kv_rows};
    const Index query = rows.query(at.image, at.first, at.first_column);
    const S* const key = a.kv + rows.key(at.image, 0, at.first_column);
    q = a.q + query;
    y = a.y + query;
    queries = rows_left(a.q_rows, at.first, rows_per_block);
    keys = {key, key + D, 2 * D, a.kv_rows};
    log_sum_exp = a.log_sum_exp;
    if (log_sum_exp != nullptr) log_sum_exp += rows.log_sum_exp(at.image, at.first, at.first_column);
  }
};

}  // namespace tessera::thrust_detail
