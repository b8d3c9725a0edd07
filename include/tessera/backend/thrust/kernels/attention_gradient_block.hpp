// What a block of attention's gradient kernels works on, in either format. There are two kernels, so that nobody adds
// to another block's sums: one whose blocks own queries and make dq, one whose blocks own keys and make dk and dv.
// Either goes over the other side's rows (Dao et al. 2022, arXiv:2205.14135, algorithm 4, with both of its loops
// outside):
//   s = own.one other.one^T;  p = exp(scale s - log_sum_exp);  ds = p (own.two other.two^T - dy_y)
//   own (q, dy), other (k, v):  dq = scale sum ds k
//   own (k, v), other (q, dy):  dk = scale sum ds q,  dv = sum p dy
// In both, s has the owned rows down, as the sums want it.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/attention.hpp>
#include <tessera/backend/thrust/kernels/attention_block.hpp>

namespace tessera::thrust_detail {

template <class S>
struct AttentionGradientArrays {
  Index q_rows, kv_rows;
  const S* q;                  // [batch, q_rows, D]
  const S* kv;                 // [batch, kv_rows, 2 D]
  const Wide<S>* log_sum_exp;  // [batch, heads, q_rows]
  const S* dy;                 // [batch, q_rows, D]
  const Wide<S>* dy_y;         // [batch, heads, q_rows]: dot(dy, y)
  S* dq;                       // [batch, q_rows, D]
  S* dkv;                      // [batch, kv_rows, 2 D]
};

struct alignas(8) QueryStatistics {
  float log_sum_exp, dy_y;
};

template <class S, Index D, Index heads, bool own_keys>
struct AttentionGradientBlock {
  RowPair<S> own, other;
  Index first;  // owned row
  S* gradient;  // of own.one; own.two's, where wanted, begins D behind
  const float* log_sum_exp;
  const float* dy_y;
  Index q_rows;

  __device__ AttentionGradientBlock(const AttentionGradientArrays<S>& a, unsigned block, int own_rows)
      : q_rows(a.q_rows) {
    const HeadBlock<D, heads> at(block, own_keys ? a.kv_rows : a.q_rows, own_rows);
    const AttentionRows<D, heads> rows{a.q_rows, a.kv_rows};
    const Index query = rows.query(at.image, 0, at.first_column), key = rows.key(at.image, 0, at.first_column);
    const Index row = rows.log_sum_exp(at.image, 0, at.first_column);
    const RowPair<S> queries{a.q + query, a.dy + query, D, a.q_rows};
    const RowPair<S> keys{a.kv + key, a.kv + key + D, 2 * D, a.kv_rows};
    own = own_keys ? keys : queries;
    other = own_keys ? queries : keys;
    first = at.first;
    gradient = (own_keys ? a.dkv + key : a.dq + query) + first * own.pitch;
    log_sum_exp = a.log_sum_exp + row;
    dy_y = a.dy_y + row;
  }

  /// Of one query, log_sum_exp in a logarithm's unit; zeros behind the last.
  __device__ QueryStatistics statistics(Index query, float unit) const {
    if (query >= q_rows) return {0, 0};
    return {log_sum_exp[query] * unit, dy_y[query]};
  }
};

}  // namespace tessera::thrust_detail
