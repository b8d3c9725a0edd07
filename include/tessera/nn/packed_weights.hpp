// Weights in the backend's own order: made once when a model is loaded, or once a training step.
#pragma once

#include <string_view>
#include <utility>

#include <tessera/backend/concept.hpp>
#include <tessera/core/layout.hpp>

namespace tessera {

/// One of them, for the forward pass and, in training, for its input's gradient.
template <class S>
struct PackedWeight {
  View<S> forward{};
  View<S> backward{};
};

namespace detail {

template <class F>
class PackedVisitor : public TensorVisitor<PackedVisitor<F>> {
 public:
  explicit PackedVisitor(F f) : f_(std::move(f)) {}
  template <class T>
  void tensor(std::string_view /*name*/, View<T>& /*view*/, Dims /*dims*/) {}
  template <class T, class Layers>
  void packed_tensor(std::string_view /*name*/, View<T>& /*view*/, Dims /*dims*/, Layers&& layers) {
    layers(f_);
  }

 private:
  F f_;
};

}  // namespace detail

/// Calls f(layer, weight, packed) for every layer of `tensors` that packs its weight.
template <class Tensors, class F>
void for_each_packed(Tensors& tensors, F f) {
  detail::PackedVisitor visitor(std::move(f));
  tensors.visit(visitor);
}

/// The memory that a model's packed weights lie in.
template <Backend B>
class PackedWeights {
  using S = typename B::Scalar;

 public:
  PackedWeights() = default;

  /// Gives each packed weight of `tensors` its place; `training` adds what backward reads.
  template <class Tensors>
  PackedWeights(Tensors& tensors, bool training) {
    buffer_ = typename B::template Buffer<S>(count(tensors, training));
    if (!training) B::expect_one_write(buffer_.view());
    BufferBinder<S> place(buffer_.view().data());
    for_each_packed(tensors, [&]<class Layer>(Layer, View<const S>, PackedWeight<S>& packed) {
      place(packed.forward, Layer::template packed_size<B>());
      if (training) place(packed.backward, Layer::template packed_size<B>());
    });
  }

  /// Values that they take.
  template <class Tensors>
  static Index count(Tensors& tensors, bool training) {
    Index size = 0;
    for_each_packed(tensors, [&]<class Layer>(Layer, View<const S>, PackedWeight<S>&) {
      size += padded(Layer::template packed_size<B>()) * (training ? 2 : 1);
    });
    return size;
  }

  /// Packs the weights anew, after each optimizer step.
  template <class Tensors>
  static void pack(Tensors& tensors) {
    for_each_packed(tensors, []<class Layer>(Layer, View<const S> weight, PackedWeight<S>& packed) {
      Layer::template pack<B>(weight, packed.forward);
      if (!packed.backward.empty()) Layer::template pack_for_backward<B>(weight, packed.backward);
    });
  }

 private:
  typename B::template Buffer<S> buffer_{};
};

}  // namespace tessera
