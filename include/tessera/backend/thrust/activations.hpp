// Softmax over rows, and tanh value by value.
#pragma once

#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

/// y = exp(x - max) / sum(exp(x - max)).
template <Index D>
struct SoftmaxRow {
  const float* x;  // [rows, D]
  float* y;        // [rows, D]

  TESSERA_HOST_DEVICE void operator()(Index r) const {
    float largest = x[r * D];
    for (Index i = r * D; i < (r + 1) * D; ++i) largest = x[i] > largest ? x[i] : largest;
    double sum = 0;
    for (Index i = r * D; i < (r + 1) * D; ++i) {
      y[i] = std::exp(x[i] - largest);
      sum += static_cast<double>(y[i]);
    }
    const float divisor = static_cast<float>(sum);
    for (Index i = r * D; i < (r + 1) * D; ++i) y[i] /= divisor;
  }
};

/// dx = y * (dy - sum(dy y)).
template <Index D>
struct SoftmaxBackwardRow {
  const float* y;   // [rows, D]
  const float* dy;  // [rows, D]
  float* dx;        // [rows, D]

  TESSERA_HOST_DEVICE void operator()(Index r) const {
    double sum = 0;
    for (Index i = r * D; i < (r + 1) * D; ++i) sum += static_cast<double>(dy[i]) * static_cast<double>(y[i]);
    const float mean = static_cast<float>(sum);
    for (Index i = r * D; i < (r + 1) * D; ++i) dx[i] = y[i] * (dy[i] - mean);
  }
};

struct Tanh {
  const float* x;
  float* y;
  TESSERA_HOST_DEVICE void operator()(Index i) const { y[i] = std::tanh(x[i]); }
};

struct TanhBackward {
  const float* y;
  const float* dy;
  float* dx;
  TESSERA_HOST_DEVICE void operator()(Index i) const { dx[i] = dy[i] * (1.0F - y[i] * y[i]); }
};

template <class System>
struct ActivationsOps {
  template <Index D>
  static void softmax(Shape<D>, Index rows, View<const float> x, View<float> y) {
    launch<System>(rows, SoftmaxRow<D>{x.data(), y.data()});
  }
  template <Index D>
  static void softmax_backward(Shape<D>, Index rows, View<const float> y, View<const float> dy, View<float> dx) {
    launch<System>(rows, SoftmaxBackwardRow<D>{y.data(), dy.data(), dx.data()});
  }
  static void tanh(View<const float> x, View<float> y) {
    launch<System>(static_cast<Index>(x.size()), Tanh{x.data(), y.data()});
  }
  static void tanh_backward(View<const float> y, View<const float> dy, View<float> dx) {
    launch<System>(static_cast<Index>(y.size()), TanhBackward{y.data(), dy.data(), dx.data()});
  }
};

}  // namespace tessera::thrust_detail
