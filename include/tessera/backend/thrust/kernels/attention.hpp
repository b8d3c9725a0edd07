// AttentionOps for systems with kernels: bfloat16 on tensor cores with sums in float32, or float32 throughout.
#pragma once

#include <type_traits>

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/attention.hpp>
#include <tessera/backend/thrust/kernels/attention_block.hpp>
#include <tessera/backend/thrust/kernels/attention_row_dots.hpp>
#include <tessera/backend/thrust/kernels/float_attention.hpp>
#include <tessera/backend/thrust/kernels/float_attention_gradient.hpp>
#include <tessera/backend/thrust/kernels/grid.hpp>
#include <tessera/backend/thrust/kernels/tensor_attention.hpp>
#include <tessera/backend/thrust/kernels/tensor_attention_gradient.hpp>

namespace tessera::thrust_detail {

template <class System>
struct KernelAttentionOps {
  using S = typename System::Scalar;
  static constexpr bool is_float = std::is_same_v<S, float>;
  static_assert(is_float || std::is_same_v<S, bfloat16>, "attention has kernels for float and bfloat16.");

  template <Index D, Index heads>
  static void attention(Shape<D, heads>, Index batch, Index q_rows, Index kv_rows, View<const S> q, View<const S> kv,
                        View<S> y, View<Wide<S>> log_sum_exp) {
    if constexpr (D / heads > widest_attention_kernel) {
      AttentionOps<System>::attention(shape<D, heads>, batch, q_rows, kv_rows, q, kv, y, log_sum_exp);
    } else {
      const AttentionArrays<S> arrays{q_rows, kv_rows, q.data(), kv.data(), y.data(), optional(log_sum_exp)};
      if constexpr (is_float) {
        run<FloatAttention<D, heads>>(float_attention<D, heads>, batch * heads, q_rows, arrays);
      } else {
        run<TensorAttention<D, heads>>(tensor_attention<D, heads>, batch * heads, q_rows, arrays);
      }
    }
  }

  /// Allocates [batch, heads, q_rows]: for training.
  template <Index D, Index heads>
  static void attention_backward(Shape<D, heads>, Index batch, Index q_rows, Index kv_rows, View<const S> q,
                                 View<const S> kv, View<const S> y, View<const Wide<S>> log_sum_exp, View<const S> dy,
                                 View<S> dq, View<S> dkv) {
    if constexpr (D / heads > widest_attention_kernel) {
      AttentionOps<System>::attention_backward(shape<D, heads>, batch, q_rows, kv_rows, q, kv, y, log_sum_exp, dy, dq,
                                               dkv);
    } else {
      const Index count = batch * heads * q_rows;
      auto dots = System::template scratch<Wide<S>>(count);
      start(attention_row_dots<D, heads, S>, ceil_div(count, attention_threads / row_dots_lanes), 0, count, q_rows,
            dy.data(), y.data(), dots.view().data());
      const AttentionGradientArrays<S> arrays{
          q_rows,    kv_rows,   q.data(), kv.data(), log_sum_exp.data(), dy.data(), dots.view().data(),
          dq.data(), dkv.data()};
      if constexpr (is_float) {
        run<FloatAttentionGradient<D, heads, false>>(float_attention_gradient<D, heads, false>, batch * heads, q_rows,
                                                     arrays);
        run<FloatAttentionGradient<D, heads, true>>(float_attention_gradient<D, heads, true>, batch * heads, kv_rows,
                                                    arrays);
      } else {
        run<TensorAttentionGradient<D, heads, false>>(tensor_attention_gradient<D, heads, false>, batch * heads, q_rows,
                                                      arrays);
        run<TensorAttentionGradient<D, heads, true>>(tensor_attention_gradient<D, heads, true>, batch * heads, kv_rows,
                                                     arrays);
      }
    }
  }

 private:
  /// One or more blocks for so many rows of every head.
  template <class Sizes, class Arrays>
  static void run(void (*kernel)(Arrays), Index all_heads, Index rows, const Arrays& arrays) {
    start(kernel, all_heads * ceil_div(rows, Sizes::block_rows) * Sizes::slices, Sizes::shared_bytes, arrays);
  }
  template <class... Parameters, class... Arguments>
  static void start(void (*kernel)(Parameters...), Index blocks, int shared_bytes, const Arguments&... arguments) {
    if (blocks == 0) return;
    System::run(kernel, grid_of(blocks), attention_threads, static_cast<std::size_t>(shared_bytes), arguments...);
  }
};

}  // namespace tessera::thrust_detail
