// y = x W^T + bias and its gradients, sums over the inner index from 0 up. Packing is a plain copy.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include <tessera/backend/operations.hpp>
#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

/// GELU(x) = x * Phi(x), Phi the normal distribution function. Hendrycks and Gimpel 2016, arXiv:1606.08415.
template <class T>
T gelu(T x) {
  using std::erf;
  return x * T(0.5) * (T(1) + erf(x * T(1 / std::numbers::sqrt2)));
}

/// GELU'(x) = Phi(x) + x * phi(x), phi the normal density.
template <class T>
T gelu_slope(T x) {
  using std::erf;
  using std::exp;
  const T distribution = T(0.5) * (T(1) + erf(x * T(1 / std::numbers::sqrt2)));
  const T density = exp(-x * x * T(0.5)) * T(std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  return distribution + x * density;
}

template <class T>
struct LinearOps {
  template <Index In, Index Out>
  static constexpr Index packed_weight_size(Shape<In, Out>) {
    return In * Out;
  }
  template <Index In, Index Out>
  static void pack_weight(Shape<In, Out>, View<const T> weight, View<T> packed) {
    std::copy_n(weight.data(), In * Out, packed.data());
  }
  template <Index In, Index Out>
  static void pack_weight_transposed(Shape<In, Out>, View<const T> weight, View<T> packed) {
    std::copy_n(weight.data(), In * Out, packed.data());
  }

  template <Index In, Index Out>
  static void linear(Shape<In, Out>, Index rows, View<const T> x, View<const T> weight, LinearEpilogue<T> epilogue,
                     View<T> y) {
    for (Index r = 0; r < rows; ++r) {
      for (Index o = 0; o < Out; ++o) {
        T pre{};
        for (Index i = 0; i < In; ++i) pre += x[r * In + i] * weight[o * In + i];
        if (!epilogue.bias.empty()) pre += epilogue.bias[o];
        if (epilogue.gelu && !epilogue.gelu_slope.empty()) epilogue.gelu_slope[r * Out + o] = gelu_slope(pre);
        const T value = epilogue.gelu ? gelu(pre) : pre;
        y[r * Out + o] = epilogue.residual.empty() ? value : epilogue.residual[r * Out + o] + value;
      }
    }
  }

  template <Index In, Index Out>
  static void linear_backward_input(Shape<In, Out>, Index rows, View<const T> dy, View<const T> weight,
                                    LinearBackwardEpilogue<T> epilogue, View<T> dx) {
    for (Index r = 0; r < rows; ++r) {
      for (Index i = 0; i < In; ++i) {
        T sum{};
        for (Index o = 0; o < Out; ++o) sum += dy[r * Out + o] * weight[o * In + i];
        if (!epilogue.gelu_slope.empty()) sum *= epilogue.gelu_slope[r * In + i];
        dx[r * In + i] = epilogue.residual.empty() ? sum : epilogue.residual[r * In + i] + sum;
      }
    }
  }

  template <Index In, Index Out>
  static constexpr Index linear_backward_scratch(Shape<In, Out>, Index) {
    return 0;
  }
  template <Index In, Index Out>
  static void linear_backward_weight(Shape<In, Out>, Index rows, View<const T> x, View<const T> dy, View<T> /*scratch*/,
                                     View<T> dweight, View<T> dbias) {
    for (Index r = 0; r < rows; ++r) {
      for (Index o = 0; o < Out; ++o) {
        for (Index i = 0; i < In; ++i) dweight[o * In + i] += dy[r * Out + o] * x[r * In + i];
        if (!dbias.empty()) dbias[o] += dy[r * Out + o];
      }
    }
  }
};

}  // namespace tessera::reference_detail
