// What every layer's gradient test needs: its parameters in one vector, its work buffers in another.
#pragma once

#include <cmath>
#include <utility>

#include <gradient_check.hpp>

#include <tessera/core/layout.hpp>
#include <tessera/model.hpp>

namespace tessera::gradients {

/// Values of a layer's parameter vector, padding included.
template <class Layer>
Index parameter_size() {
  typename Layer::template Tensors<double> tensors;
  ParameterCounter counter;
  tensors.visit(counter);
  return counter.size;
}

/// A layer's views into `values`; weights also packed.
template <class Layer, class B>
class BoundWeights {
  using S = typename B::Scalar;

 public:
  explicit BoundWeights(const Values<S>& values) {
    ParameterBinder<const S> binder(values.data());
    tensors.visit(binder);
    packed_ = PackedWeights<B>(tensors, true);
    PackedWeights<B>::pack(tensors);
  }
  typename Layer::template Tensors<const S> tensors{};

 private:
  PackedWeights<B> packed_{};
};

/// A layer's gradient views into `values`.
template <class Layer, class S>
typename Layer::template Tensors<S> bind_gradients(Values<S>& values) {
  ParameterBinder<S> binder(values.data());
  typename Layer::template Tensors<S> tensors{};
  tensors.visit(binder);
  return tensors;
}

/// Memory for the buffers that visit(v) asks v for; they start as NaN. Keep it as long as the views are used.
template <class S, class Visit>
[[nodiscard]] Values<S> make_work(Visit&& visit) {
  BufferCounter<S> counter;
  visit(counter);
  Values<S> memory = poisoned<S>(counter.size);
  BufferBinder<S> binder(memory.data());
  visit(binder);
  return memory;
}

/// Layers deduce their scalar from views.
template <class T>
View<const T> read(const Values<T>& values) {
  return values;
}
template <class T>
View<T> write(Values<T>& values) {
  return values;
}

}  // namespace tessera::gradients
