// y = softmax(q k^T / sqrt(D / heads)) v (Vaswani et al. 2017, arXiv:1706.03762), one query or one key of a head
// per call: plain loops for Thrust's OpenMP system. Scores are made one at a time and never stored; sums in double.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

/// Where one head's rows lie.
template <Index D, Index heads>
struct AttentionRows {
  static constexpr Index width = D / heads;
  Index q_rows, kv_rows;

  /// Of item i of [batch, heads, rows] with so many rows.
  TESSERA_HOST_DEVICE static Index image(Index i, Index rows) { return i / rows / heads; }
  TESSERA_HOST_DEVICE static Index head(Index i, Index rows) { return i / rows % heads * width; }

  TESSERA_HOST_DEVICE Index query(Index b, Index row, Index head) const { return (b * q_rows + row) * D + head; }
  TESSERA_HOST_DEVICE Index key(Index b, Index row, Index head) const { return (b * kv_rows + row) * 2 * D + head; }
  TESSERA_HOST_DEVICE Index log_sum_exp(Index b, Index row, Index head) const {
    return (b * heads + head / width) * q_rows + row;
  }
};

template <Index width, class S>
TESSERA_HOST_DEVICE float attention_score(const S* query, const S* key) {
  return dot<width>(query, key) / std::sqrt(static_cast<float>(width));
}

/// One call per query: weights relative to the largest score so far (Milakov and Gimelshein 2018, arXiv:1805.02867).
template <class S, Index D, Index heads>
struct AttendQuery {
  using Rows = AttentionRows<D, heads>;
  static constexpr Index width = Rows::width;
  Rows rows;
  const S* q;          // [batch, q_rows, D]
  const S* kv;         // [batch, kv_rows, 2 D]
  S* y;                // [batch, q_rows, D]
  float* log_sum_exp;  // [batch, heads, q_rows], or null

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index b = Rows::image(i, rows.q_rows);
    const Index head = Rows::head(i, rows.q_rows);
    const S* query = q + rows.query(b, i % rows.q_rows, head);
    float largest = attention_score<width>(query, kv + rows.key(b, 0, head));
    double sum = 0;
    double values[width] = {};
    for (Index j = 0; j < rows.kv_rows; ++j) {
      const S* key = kv + rows.key(b, j, head);
      const float score = attention_score<width>(query, key);
      if (score > largest) {
        const double shrink = static_cast<double>(std::exp(largest - score));
        sum *= shrink;
        for (Index c = 0; c < width; ++c) values[c] *= shrink;
        largest = score;
      }
      const float weight = std::exp(score - largest);
      sum += static_cast<double>(weight);
      for (Index c = 0; c < width; ++c) values[c] += static_cast<double>(weight * key[D + c]);
    }
    for (Index c = 0; c < width; ++c) y[query - q + c] = static_cast<float>(values[c] / sum);
    if (log_sum_exp != nullptr) log_sum_exp[i] = static_cast<float>(static_cast<double>(largest) + std::log(sum));
  }
};

/// What the gradients of one query and one key share: with p = exp(score - log_sum_exp), ds = p (dy . v - dy . y)
/// / sqrt(width).
template <class S, Index D, Index heads>
struct AttentionSlopes {
  using Rows = AttentionRows<D, heads>;
  static constexpr Index width = Rows::width;
  Rows rows;
  const S* q;                // [batch, q_rows, D]
  const S* kv;               // [batch, kv_rows, 2 D]
  const S* y;                // [batch, q_rows, D]
  const float* log_sum_exp;  // [batch, heads, q_rows]
  const S* dy;               // [batch, q_rows, D]

  struct Slopes {
    float p, ds;
  };
  TESSERA_HOST_DEVICE Slopes operator()(Index b, Index head, Index query_row, float dy_y, Index key_row) const {
    const Index query = rows.query(b, query_row, head);
    const S* key = kv + rows.key(b, key_row, head);
    const float score = attention_score<width>(q + query, key);
    const float p = std::exp(score - log_sum_exp[rows.log_sum_exp(b, query_row, head)]);
    const float dy_v = dot<width>(dy + query, key + D);
    return {p, p * (dy_v - dy_y) / std::sqrt(static_cast<float>(width))};
  }
  TESSERA_HOST_DEVICE float dy_y(Index query) const { return dot<width>(dy + query, y + query); }
};

/// One call per query: dq = sum over keys of ds k.
template <class S, Index D, Index heads>
struct AttentionQueryGradient {
  using Rows = AttentionRows<D, heads>;
  AttentionSlopes<S, D, heads> slopes;
  S* dq;  // [batch, q_rows, D]

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Rows& rows = slopes.rows;
    const Index b = Rows::image(i, rows.q_rows);
    const Index head = Rows::head(i, rows.q_rows);
    const Index query = rows.query(b, i % rows.q_rows, head);
    const float dy_y = slopes.dy_y(query);
    double sums[Rows::width] = {};
    for (Index j = 0; j < rows.kv_rows; ++j) {
      const float ds = slopes(b, head, i % rows.q_rows, dy_y, j).ds;
      const S* key = slopes.kv + rows.key(b, j, head);
      for (Index c = 0; c < Rows::width; ++c) sums[c] += static_cast<double>(ds * key[c]);
    }
    for (Index c = 0; c < Rows::width; ++c) dq[query + c] = static_cast<float>(sums[c]);
  }
};

/// One call per key: dk = sum over queries of ds q, dv = sum over queries of p dy.
template <class S, Index D, Index heads>
struct AttentionKeyGradient {
  using Rows = AttentionRows<D, heads>;
  AttentionSlopes<S, D, heads> slopes;
  S* dkv;  // [batch, kv_rows, 2 D]

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Rows& rows = slopes.rows;
    const Index b = Rows::image(i, rows.kv_rows);
    const Index head = Rows::head(i, rows.kv_rows);
    double key_sums[Rows::width] = {};
    double value_sums[Rows::width] = {};
    for (Index j = 0; j < rows.q_rows; ++j) {
      const Index query = rows.query(b, j, head);
      const auto [p, ds] = slopes(b, head, j, slopes.dy_y(query), i % rows.kv_rows);
      for (Index c = 0; c < Rows::width; ++c) {
        key_sums[c] += static_cast<double>(ds * slopes.q[query + c]);
        value_sums[c] += static_cast<double>(p * slopes.dy[query + c]);
      }
    }
    S* dkey = dkv + rows.key(b, i % rows.kv_rows, head);
    for (Index c = 0; c < Rows::width; ++c) {
      dkey[c] = static_cast<float>(key_sums[c]);
      dkey[D + c] = static_cast<float>(value_sums[c]);
    }
  }
};

template <class System>
struct AttentionOps {
  using S = typename System::Scalar;

  template <Index D, Index heads>
  static void attention(Shape<D, heads>, Index batch, Index q_rows, Index kv_rows, View<const S> q, View<const S> kv,
                        View<S> y, View<Wide<S>> log_sum_exp) {
    launch<System>(batch * heads * q_rows,
                   AttendQuery<S, D, heads>{{q_rows, kv_rows}, q.data(), kv.data(), y.data(), optional(log_sum_exp)});
  }
  template <Index D, Index heads>
  static void attention_backward(Shape<D, heads>, Index batch, Index q_rows, Index kv_rows, View<const S> q,
                                 View<const S> kv, View<const S> y, View<const Wide<S>> log_sum_exp, View<const S> dy,
                                 View<S> dq, View<S> dkv) {
    const AttentionSlopes<S, D, heads> slopes{{q_rows, kv_rows}, q.data(),           kv.data(),
                                              y.data(),          log_sum_exp.data(), dy.data()};
    launch<System>(batch * heads * q_rows, AttentionQueryGradient<S, D, heads>{slopes, dq.data()});
    launch<System>(batch * heads * kv_rows, AttentionKeyGradient<S, D, heads>{slopes, dkv.data()});
  }
};

}  // namespace tessera::thrust_detail
