// Multi-head self-attention as torch.nn.MultiheadAttention computes it (Vaswani et al. 2017, arXiv:1706.03762), for the
// rows of a sequence that somebody reads afterwards.
#pragma once

#include <algorithm>

#include <tessera/nn/linear.hpp>

namespace tessera {

template <Index D, Index heads>
struct Attention {
  static_assert(heads > 0 && D % heads == 0, "Attention: the width must be a multiple of the heads.");

  using QueryProjection = Linear<D, D>;
  using KeyValueProjection = Linear<D, 2 * D>;
  using OutputProjection = Linear<D, D>;

  template <class T>
  struct Tensors {
    View<T> in_proj_weight{};  // [3 D, D]: q, k, v stacked
    View<T> in_proj_bias{};    // [3 D]
    typename OutputProjection::template Tensors<T> out_proj{};
    PackedWeight<std::remove_const_t<T>> packed_query{}, packed_key_value{};

    constexpr void visit(auto& v) {
      v.packed_tensor("in_proj_weight", in_proj_weight, {3 * D, D}, [this](auto& f) {
        f(QueryProjection{}, rows(0, 1), packed_query);
        f(KeyValueProjection{}, rows(1, 2), packed_key_value);
      });
      v.tensor("in_proj_bias", in_proj_bias, {3 * D});
      v.nested("out_proj", out_proj);
    }
    [[nodiscard]] typename QueryProjection::template Tensors<T> query() const {
      return {rows(0, 1), first(in_proj_bias, D), packed_query};
    }
    [[nodiscard]] typename KeyValueProjection::template Tensors<T> key_value() const {
      return {rows(1, 2), slice(in_proj_bias, D, 2 * D), packed_key_value};
    }

   private:
    /// Of q, k and v; empty where in_proj_weight is: not bound yet, or only packed.
    [[nodiscard]] View<T> rows(Index begin, Index count) const {
      return in_proj_weight.empty() ? View<T>() : slice(in_proj_weight, begin * D * D, count * D * D);
    }
  };

  template <class S>
  struct Saved {
    View<S> q{};                  // [B, q_rows, D]
    View<S> kv{};                 // [B, kv_rows, 2 D]
    View<S> attended{};           // [B, q_rows, D]
    View<Wide<S>> log_sum_exp{};  // [B, heads, q_rows]; empty where there is no backward

    constexpr void visit(auto& v, Index batch, Index q_rows, Index kv_rows, bool training) {
      v(q, batch * q_rows * D);
      v(kv, batch * kv_rows * 2 * D);
      v(attended, batch * q_rows * D);
      if (training) v(log_sum_exp, batch * heads * q_rows);
    }
  };

  /// x_q [B, q_rows, D] and x_kv [B, kv_rows, D] -> y = residual + out_proj(attention), [B, q_rows, D].
  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index batch, Index q_rows, Index kv_rows, View<const S> x_q,
                      View<const S> x_kv, View<const S> residual, View<S> y, const Saved<S>& saved) {
    QueryProjection::template forward<B>(w.query(), batch * q_rows, x_q, saved.q);
    KeyValueProjection::template forward<B>(w.key_value(), batch * kv_rows, x_kv, saved.kv);
    B::attention(shape<D, heads>, batch, q_rows, kv_rows, saved.q, saved.kv, saved.attended, saved.log_sum_exp);
    OutputProjection::template forward<B>(w.out_proj, batch * q_rows, View<const S>(saved.attended), y,
                                          {.residual = residual});
  }

  template <class S>
  struct Scratch {
    View<S> dattended{};  // [B, q_rows, D]
    View<S> dq{};         // [B, q_rows, D]
    View<S> dkv{};        // [B, kv_rows, 2 D]
    View<S> products{};   // linear_backward_weight's

    template <Backend B>
    constexpr void visit(auto& v, Index batch, Index q_rows, Index kv_rows) {
      v(dattended, batch * q_rows * D);
      v(dq, batch * q_rows * D);
      v(dkv, batch * kv_rows * 2 * D);
      v(products, std::max(QueryProjection::template scratch<B>(batch * q_rows),
                           KeyValueProjection::template scratch<B>(batch * kv_rows)));
    }
  };

  /// dy [B, q_rows, D] -> dx_kv (overwritten), and dx_q (overwritten); where x_q is x_kv, pass the same buffer twice
  /// and it receives the sum. Adds to the gradients d. The residual's gradient is dy itself: the caller's.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward(const Tensors<T>& w, Index batch, Index q_rows, Index kv_rows, View<const S> x_q,
                       View<const S> x_kv, const Saved<S>& saved, View<const S> dy, View<S> dx_q, View<S> dx_kv,
                       const Scratch<S>& scratch, const Tensors<Wide<S>>& d) {
    const View<const S> dq = scratch.dq;
    const View<const S> dkv = scratch.dkv;
    OutputProjection::template backward_weight<B>(batch * q_rows, View<const S>(saved.attended), dy, scratch.products,
                                                  d.out_proj);
    OutputProjection::template backward_input<B>(w.out_proj, batch * q_rows, dy, scratch.dattended);
    B::attention_backward(shape<D, heads>, batch, q_rows, kv_rows, saved.q, saved.kv, saved.attended, saved.log_sum_exp,
                          scratch.dattended, scratch.dq, scratch.dkv);
    QueryProjection::template backward_weight<B>(batch * q_rows, x_q, dq, scratch.products, d.query());
    KeyValueProjection::template backward_weight<B>(batch * kv_rows, x_kv, dkv, scratch.products, d.key_value());
    KeyValueProjection::template backward_input<B>(w.key_value(), batch * kv_rows, dkv, dx_kv);
    const bool same = dx_q.data() == dx_kv.data();
    QueryProjection::template backward_input<B>(w.query(), batch * q_rows, dq, dx_q,
                                                {.residual = same ? View<const S>(dx_kv) : View<const S>()});
  }
};

}  // namespace tessera
