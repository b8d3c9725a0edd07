// y = conv(x) + b on feature maps [B, H, W, channels]: 3 x 3, stride 1, zero padding 1.
#pragma once

#include <tessera/backend/concept.hpp>
#include <tessera/core/layout.hpp>
#include <tessera/nn/packed_weights.hpp>

namespace tessera {

template <Index H, Index W, Index In, Index Out, bool has_bias = true>
struct Convolution {
  static_assert(H > 0 && W > 0 && In > 0 && Out > 0, "Convolution: no pixels or no channels.");

  template <class T>
  struct Tensors {
    View<T> weight{};  // [Out, In, 3, 3]
    View<T> bias{};    // [Out], or empty
    PackedWeight<std::remove_const_t<T>> packed{};

    constexpr void visit(auto& v) {
      v.packed_tensor("weight", weight, {Out, In, 3, 3}, [this](auto& f) { f(Convolution{}, weight, packed); });
      if constexpr (has_bias) v.tensor("bias", bias, {Out});
    }
  };

  // What PackedWeights asks of a layer.
  static constexpr Index weight_size = 9 * In * Out;
  template <Backend B>
  static constexpr Index packed_size() {
    return B::packed_convolution_size(shape<In, Out>);
  }
  template <Backend B, class S = typename B::Scalar>
  static void pack(View<const S> weight, View<S> packed) {
    B::pack_convolution(shape<In, Out>, weight, packed);
  }
  template <Backend B, class S = typename B::Scalar>
  static void pack_for_backward(View<const S> weight, View<S> packed) {
    B::pack_convolution_transposed(shape<In, Out>, weight, packed);
  }

  /// x [B, H, W, In], y [B, H, W, Out] = residual + conv(x) + bias; residual like y, may be y itself, or empty.
  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index batch, View<const S> x, View<const S> residual, View<S> y) {
    B::convolution(shape<H, W, In, Out>, batch, x, w.packed.forward, w.bias, residual, y);
  }

  /// dy [B, H, W, Out] -> dx [B, H, W, In], overwritten.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward_input(const Tensors<T>& w, Index batch, View<const S> dy, View<S> dx) {
    B::convolution_backward_input(shape<H, W, In, Out>, batch, dy, w.packed.backward, dx);
  }

  /// Adds to the weight's and the bias's gradient.
  template <Backend B, class S = typename B::Scalar>
  static void backward_weight(Index batch, View<const S> x, View<const S> dy, View<S> scratch,
                              const Tensors<Wide<S>>& d) {
    B::convolution_backward_weight(shape<H, W, In, Out>, batch, x, dy, scratch, d.weight, d.bias);
  }

  template <Backend B>
  static constexpr Index scratch(Index batch) {
    return B::convolution_backward_scratch(shape<H, W, In, Out>, batch);
  }
};

}  // namespace tessera
