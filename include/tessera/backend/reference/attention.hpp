// y = softmax(q k^T / sqrt(D / heads)) v, head by head, one query at a time. Vaswani et al. 2017, arXiv:1706.03762.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct AttentionOps {
  template <Index D, Index heads>
  static void attention(Shape<D, heads>, Index batch, Index q_rows, Index kv_rows, View<const T> q, View<const T> kv,
                        View<T> y, View<T> log_sum_exp) {
    using std::exp;
    using std::log;
    constexpr Index width = D / heads;
    std::vector<T> scores(static_cast<std::size_t>(kv_rows));
    for_each_query<D, heads>(batch, q_rows, kv_rows, [&](Index query, Index keys, Index lse) {
      T largest = score<D, heads>(q, query, kv, keys);
      for (Index j = 0; j < kv_rows; ++j) {
        scores[j] = score<D, heads>(q, query, kv, keys + j * 2 * D);
        largest = std::max(largest, scores[j]);
      }
      T sum{};
      for (T& s : scores) sum += s = exp(s - largest);
      for (Index i = 0; i < width; ++i) {
        T value{};
        for (Index j = 0; j < kv_rows; ++j) value += scores[j] * kv[keys + j * 2 * D + D + i];
        y[query + i] = value / sum;
      }
      if (!log_sum_exp.empty()) log_sum_exp[lse] = largest + log(sum);
    });
  }

  /// With p = exp(score - log_sum_exp): dv += p dy;  ds = p * (dy . v - dy . y);  dq += ds k / sqrt(width), dk
  /// likewise.
  template <Index D, Index heads>
  static void attention_backward(Shape<D, heads>, Index batch, Index q_rows, Index kv_rows, View<const T> q,
                                 View<const T> kv, View<const T> y, View<const T> log_sum_exp, View<const T> dy,
                                 View<T> dq, View<T> dkv) {
    using std::exp;
    constexpr Index width = D / heads;
    std::fill_n(dq.data(), batch * q_rows * D, T{});
    std::fill_n(dkv.data(), batch * kv_rows * 2 * D, T{});
    for_each_query<D, heads>(batch, q_rows, kv_rows, [&](Index query, Index keys, Index lse) {
      T dy_y{};
      for (Index i = 0; i < width; ++i) dy_y += dy[query + i] * y[query + i];
      for (Index j = 0; j < kv_rows; ++j) {
        const Index key = keys + j * 2 * D;
        const Index value = key + D;
        const T p = exp(score<D, heads>(q, query, kv, key) - log_sum_exp[lse]);
        T dy_v{};
        for (Index i = 0; i < width; ++i) dy_v += dy[query + i] * kv[value + i];
        const T ds = p * (dy_v - dy_y) * scale<D, heads>();
        for (Index i = 0; i < width; ++i) {
          dkv[value + i] += p * dy[query + i];
          dq[query + i] += ds * kv[key + i];
          dkv[key + i] += ds * q[query + i];
        }
      }
    });
  }

 private:
  template <Index D, Index heads>
  static T scale() {
    return T(1 / std::sqrt(static_cast<double>(D / heads)));
  }
  template <Index D, Index heads>
  static T score(View<const T> q, Index query, View<const T> kv, Index key) {
    T product{};
    for (Index i = 0; i < D / heads; ++i) product += q[query + i] * kv[key + i];
    return product * scale<D, heads>();
  }
  /// f(offset of one head's query in q, of its first key in kv, of its entry in log_sum_exp)
  template <Index D, Index heads, class F>
  static void for_each_query(Index batch, Index q_rows, Index kv_rows, F&& f) {
    for (Index b = 0; b < batch; ++b) {
      for (Index h = 0; h < heads; ++h) {
        for (Index r = 0; r < q_rows; ++r) {
          const Index head = h * (D / heads);
          f((b * q_rows + r) * D + head, b * kv_rows * 2 * D + head, (b * heads + h) * q_rows + r);
        }
      }
    }
  }
};

}  // namespace tessera::reference_detail
