// y = p E: the mean of a codebook's vectors, weighted by probabilities.
#pragma once

#include <tessera/backend/concept.hpp>
#include <tessera/core/layout.hpp>
#include <tessera/nn/packed_weights.hpp>

namespace tessera {

/// K codes of C values. As a product it is the adjoint of a linear layer whose weight is E: what goes forward here is
/// that layer's input gradient, and what comes back is its forward pass.
template <Index K, Index C>
struct WeightedCodes {
  static_assert(K > 0 && C > 0, "WeightedCodes: no codes; set Config::pixel_decoder.codebook_size and z_channels.");

  template <class T>
  struct Tensors {
    View<T> embedding{};  // [K, C]
    PackedWeight<std::remove_const_t<T>> packed{};

    constexpr void visit(auto& v) {
      v.packed_tensor("embedding.weight", embedding, {K, C},
                      [this](auto& f) { f(WeightedCodes{}, embedding, packed); });
    }
  };

  // What PackedWeights asks of a layer.
  static constexpr Index weight_size = K * C;
  template <Backend B>
  static constexpr Index packed_size() {
    return B::packed_weight_size(shape<C, K>);
  }
  template <Backend B, class S = typename B::Scalar>
  static void pack(View<const S> embedding, View<S> packed) {
    B::pack_weight_transposed(shape<C, K>, embedding, packed);
  }
  template <Backend B, class S = typename B::Scalar>
  static void pack_for_backward(View<const S> embedding, View<S> packed) {
    B::pack_weight(shape<C, K>, embedding, packed);
  }

  /// p [rows, K] -> y [rows, C].
  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index rows, View<const S> p, View<S> y) {
    B::linear_backward_input(shape<C, K>, rows, p, w.packed.forward, {}, y);
  }

  /// dy [rows, C] -> dp [rows, K], overwritten. Adds to the codes' gradient.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward(const Tensors<T>& w, Index rows, View<const S> p, View<const S> dy, View<S> dp, View<S> scratch,
                       const Tensors<Wide<S>>& d) {
    B::linear_backward_weight(shape<C, K>, rows, dy, p, scratch, d.embedding, View<Wide<S>>());
    B::linear(shape<C, K>, rows, dy, w.packed.backward, {}, dp);
  }

  template <Backend B>
  static constexpr Index scratch(Index rows) {
    return B::linear_backward_scratch(shape<C, K>, rows);
  }
};

}  // namespace tessera
