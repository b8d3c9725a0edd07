// Attention's arrays on a backend, and whether what it made of them is what reference<double> makes.
#pragma once

#include <string>
#include <vector>

#include <tessera/backend/reference/attention.hpp>

#include <gpu/relative_error.hpp>
#include <gpu/rows.hpp>
#include <gpu/values.hpp>

namespace tessera::benchmarks {

template <class B>
struct AttentionArrays {
  using S = typename B::Scalar;
  template <class T>
  using Buffer = typename B::template Buffer<T>;
  static constexpr Index width = 64, heads = 12, D = width * heads;

  Index batch, tokens;
  Buffer<S> q, kv, dy;          // [batch, tokens, D], kv 2 D
  Buffer<S> y, dq, dkv;         // the same
  Buffer<Wide<S>> log_sum_exp;  // [batch, heads, tokens]

  AttentionArrays(Index batch_, Index tokens_)
      : batch(batch_),
        tokens(tokens_),
        q(uploaded<B>(normal_values(batch * tokens * D, 1))),
        kv(uploaded<B>(normal_values(batch * tokens * 2 * D, 2))),
        dy(uploaded<B>(normal_values(batch * tokens * D, 3))),
        y(batch * tokens * D),
        dq(batch * tokens * D),
        dkv(batch * tokens * 2 * D),
        log_sum_exp(batch * heads * tokens) {}

  void forward() {
    B::attention(shape<D, heads>, batch, tokens, tokens, q.view(), kv.view(), y.view(), log_sum_exp.view());
  }
  void backward() {
    B::attention_backward(shape<D, heads>, batch, tokens, tokens, q.view(), kv.view(), y.view(), log_sum_exp.view(),
                          dy.view(), dq.view(), dkv.view());
  }
  /// Of two products, of tokens x tokens and a head's values each.
  [[nodiscard]] double forward_flops() const {
    return 4.0 * static_cast<double>(batch * D) * static_cast<double>(tokens) * static_cast<double>(tokens);
  }
};

/// The last `rows` rows of the last image's last head; `part` 1 of what holds keys and values: the values.
template <class B>
std::vector<double> last_head(const AttentionArrays<B>& a, const typename B::template Buffer<typename B::Scalar>& there,
                              Index rows, Index stride, Index part = 0) {
  constexpr Index width = AttentionArrays<B>::width, D = AttentionArrays<B>::D;
  const std::vector<float> values = downloaded<B>(there);
  std::vector<double> head;
  for (Index row = a.batch * a.tokens - rows; row < a.batch * a.tokens; ++row) {
    const float* begin = values.data() + row * stride + part * D + D - width;
    head.insert(head.end(), begin, begin + width);
  }
  return head;
}

/// Keys and values of a head side by side, as attention takes them.
inline std::vector<double> side_by_side(const std::vector<double>& keys, const std::vector<double>& values,
                                        std::size_t width) {
  std::vector<double> both;
  for (std::size_t row = 0; row < keys.size(); row += width) {
    both.insert(both.end(), keys.begin() + row, keys.begin() + row + width);
    both.insert(both.end(), values.begin() + row, values.begin() + row + width);
  }
  return both;
}

/// Throws unless forward's and backward's results agree, of the last head of the last image: of all its
/// queries and, as those are what keys' gradients are sums over, keys, up to 1024; of some queries alone above that.
template <class B>
void check_attention(const AttentionArrays<B>& a, double tolerance) {
  using Reference = reference_detail::AttentionOps<double>;
  constexpr Index width = AttentionArrays<B>::width, D = AttentionArrays<B>::D;
  constexpr Shape<width, 1> one_head;
  const Index queries = a.tokens <= 1024 ? a.tokens : 64;
  const auto q = last_head(a, a.q, queries, D), dy = last_head(a, a.dy, queries, D);
  const auto kv = side_by_side(last_head(a, a.kv, a.tokens, 2 * D), last_head(a, a.kv, a.tokens, 2 * D, 1), width);
  std::vector<double> y(q.size()), log_sum_exp(static_cast<std::size_t>(queries)), dq(q.size()), dkv(kv.size());
  Reference::attention(one_head, 1, queries, a.tokens, q, kv, y, log_sum_exp);
  Reference::attention_backward(one_head, 1, queries, a.tokens, q, kv, y, log_sum_exp, dy, dq, dkv);

  const auto compare = [&](const char* what, const std::vector<double>& found, const std::vector<double>& expected) {
    const double error = relative_error<double>(found, expected);
    require(error <= tolerance, text("%s of attention over %td tokens is off by %g", what, a.tokens, error));
  };
  compare("y", last_head(a, a.y, queries, D), y);
  compare("dq", last_head(a, a.dq, queries, D), dq);
  if (queries < a.tokens) return;
  compare("dkv", side_by_side(last_head(a, a.dkv, a.tokens, 2 * D), last_head(a, a.dkv, a.tokens, 2 * D, 1), width),
          dkv);
}

}  // namespace tessera::benchmarks
