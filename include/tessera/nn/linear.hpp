// y = x W^T + b, as torch.nn.Linear and a 1 x 1 convolution compute it.
#pragma once

#include <tessera/backend/concept.hpp>
#include <tessera/core/layout.hpp>
#include <tessera/nn/packed_weights.hpp>

namespace tessera {

template <Index In, Index Out, bool has_bias = true>
struct Linear {
  static_assert(In > 0 && Out > 0, "Linear: width is 0; set the Config's dim.");

  template <class T>
  struct Tensors {
    View<T> weight{};  // [Out, In]
    View<T> bias{};    // [Out], or empty
    PackedWeight<std::remove_const_t<T>> packed{};

    constexpr void visit(auto& v) { visit(v, {Out, In}); }
    /// `dims`: the shape in the state dict, where it is not [Out, In] (convolutions).
    constexpr void visit(auto& v, Dims dims) {
      v.packed_tensor("weight", weight, dims, [this](auto& f) { f(Linear{}, weight, packed); });
      if constexpr (has_bias) v.tensor("bias", bias, {Out});
    }
  };

  // What PackedWeights asks of a layer.
  static constexpr Index weight_size = In * Out;
  template <Backend B>
  static constexpr Index packed_size() {
    return B::packed_weight_size(shape<In, Out>);
  }
  template <Backend B, class S = typename B::Scalar>
  static void pack(View<const S> weight, View<S> packed) {
    B::pack_weight(shape<In, Out>, weight, packed);
  }
  template <Backend B, class S = typename B::Scalar>
  static void pack_for_backward(View<const S> weight, View<S> packed) {
    B::pack_weight_transposed(shape<In, Out>, weight, packed);
  }

  /// x [rows, In], y [rows, Out]. The epilogue's bias is filled in here.
  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index rows, View<const S> x, View<S> y, LinearEpilogue<S> epilogue = {}) {
    epilogue.bias = w.bias;
    B::linear(shape<In, Out>, rows, x, w.packed.forward, epilogue, y);
  }

  /// Overwrites dx: residual + (dy W) * gelu_slope.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward_input(const Tensors<T>& w, Index rows, View<const S> dy, View<S> dx,
                             LinearBackwardEpilogue<S> epilogue = {}) {
    B::linear_backward_input(shape<In, Out>, rows, dy, w.packed.backward, epilogue, dx);
  }

  /// Adds to the weight's and the bias's gradient.
  template <Backend B, class S = typename B::Scalar>
  static void backward_weight(Index rows, View<const S> x, View<const S> dy, View<S> scratch,
                              const Tensors<Wide<S>>& d) {
    B::linear_backward_weight(shape<In, Out>, rows, x, dy, scratch, d.weight, d.bias);
  }

  template <Backend B>
  static constexpr Index scratch(Index rows) {
    return B::linear_backward_scratch(shape<In, Out>, rows);
  }
};

}  // namespace tessera
