// Softmax over rows, and tanh value by value.
#pragma once

#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

/// y = exp(x - max) / sum(exp(x - max)).
template <class S, Index D>
struct SoftmaxRow {
  const S* x;  // [rows, D]
  S* y;        // [rows, D]

  TESSERA_HOST_DEVICE void operator()(Index r) const {
    float largest = x[r * D];
    for (Index i = r * D; i < (r + 1) * D; ++i) largest = larger_value(x[i], largest);
    double sum = 0;
    for (Index i = r * D; i < (r + 1) * D; ++i) sum += static_cast<double>(std::exp(x[i] - largest));
    const float divisor = static_cast<float>(sum);
    for (Index i = r * D; i < (r + 1) * D; ++i) y[i] = std::exp(x[i] - largest) / divisor;
  }
};

/// dx = y * (dy - sum(dy y)).
template <class S, Index D>
struct SoftmaxBackwardRow {
  const S* y;   // [rows, D]
  const S* dy;  // [rows, D]
  S* dx;        // [rows, D]

  TESSERA_HOST_DEVICE void operator()(Index r) const {
    double sum = 0;
    for (Index i = r * D; i < (r + 1) * D; ++i) sum += static_cast<double>(dy[i]) * static_cast<double>(y[i]);
    const float mean = static_cast<float>(sum);
    for (Index i = r * D; i < (r + 1) * D; ++i) dx[i] = y[i] * (dy[i] - mean);
  }
};

template <class S>
struct Tanh {
  const S* x;
  S* y;
  TESSERA_HOST_DEVICE void operator()(Index i) const { y[i] = std::tanh(static_cast<float>(x[i])); }
};

template <class S>
struct TanhBackward {
  const S* y;
  const S* dy;
  S* dx;
  TESSERA_HOST_DEVICE void operator()(Index i) const { dx[i] = dy[i] * (1.0F - y[i] * y[i]); }
};

template <class System>
struct ActivationsOps {
  using S = typename System::Scalar;

  template <Index D>
  static void softmax(Shape<D>, Index rows, View<const S> x, View<S> y) {
    launch<System>(rows, SoftmaxRow<S, D>{x.data(), y.data()});
  }
  template <Index D>
  static void softmax_backward(Shape<D>, Index rows, View<const S> y, View<const S> dy, View<S> dx) {
    launch<System>(rows, SoftmaxBackwardRow<S, D>{y.data(), dy.data(), dx.data()});
  }
  static void tanh(View<const S> x, View<S> y) {
    launch<System>(static_cast<Index>(x.size()), Tanh<S>{x.data(), y.data()});
  }
  static void tanh_backward(View<const S> y, View<const S> dy, View<S> dx) {
    launch<System>(static_cast<Index>(y.size()), TanhBackward<S>{y.data(), dy.data(), dx.data()});
  }
};

}  // namespace tessera::thrust_detail
