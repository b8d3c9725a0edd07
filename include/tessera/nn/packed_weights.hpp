// Weights in the backend's own order: made once after load, or once a training step.
#pragma once

#include <tessera/backend/concept.hpp>
#include <tessera/core/layout.hpp>

namespace tessera {

/// One of them, for the forward pass and, in training, for its input's gradient.
template <class S>
struct PackedWeight {
  View<S> forward{};
  View<S> backward{};
};

/// The weights of every layer that packs them, and the memory that they lie in. Such a layer calls
/// v(layer, weight, packed) in its tensors' `visit_packed`.
template <Backend B>
class PackedWeights {
  using S = typename B::Scalar;

 public:
  PackedWeights() = default;

  /// Gives each layer of `tensors` its place; `training` adds what backward reads.
  template <class Tensors>
  PackedWeights(Tensors& tensors, bool training) : training_(training) {
    Index size = 0;
    auto count = [&]<class Layer>(Layer, View<const S>, PackedWeight<S>&) {
      size += padded(Layer::template packed_size<B>()) * (training_ ? 2 : 1);
    };
    tensors.visit_packed(count);
    buffer_ = typename B::template Buffer<S>(size);
    BufferBinder<S> place(buffer_.view().data());
    auto bind = [&]<class Layer>(Layer, View<const S>, PackedWeight<S>& packed) {
      place(packed.forward, Layer::template packed_size<B>());
      if (training_) place(packed.backward, Layer::template packed_size<B>());
    };
    tensors.visit_packed(bind);
  }

  /// Packs the weights anew: once after load, or after each optimizer step.
  template <class Tensors>
  static void pack(Tensors& tensors) {
    auto pack = []<class Layer>(Layer, View<const S> weight, PackedWeight<S>& packed) {
      Layer::template pack<B>(weight, packed.forward);
      if (!packed.backward.empty()) Layer::template pack_for_backward<B>(weight, packed.backward);
    };
    tensors.visit_packed(pack);
  }

 private:
  typename B::template Buffer<S> buffer_{};
  bool training_ = false;
};

}  // namespace tessera
