// Softmax over rows, and tanh value by value.
#pragma once

#include <algorithm>
#include <cmath>

#include <tessera/core/dual.hpp>
#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct ActivationsOps {
  /// y = exp(x - max) / sum(exp(x - max)).
  template <Index D>
  static void softmax(Shape<D>, Index rows, View<const T> x, View<T> y) {
    using std::exp;
    for (Index r = 0; r < rows; ++r) {
      const T largest = *std::max_element(x.data() + r * D, x.data() + (r + 1) * D);
      T sum{};
      for (Index i = r * D; i < (r + 1) * D; ++i) {
        y[i] = exp(x[i] - largest);
        sum += y[i];
      }
      for (Index i = r * D; i < (r + 1) * D; ++i) y[i] /= sum;
    }
  }
  /// dx = y * (dy - sum(dy y)).
  template <Index D>
  static void softmax_backward(Shape<D>, Index rows, View<const T> y, View<const T> dy, View<T> dx) {
    for (Index r = 0; r < rows; ++r) {
      T sum{};
      for (Index i = r * D; i < (r + 1) * D; ++i) sum += dy[i] * y[i];
      for (Index i = r * D; i < (r + 1) * D; ++i) dx[i] = y[i] * (dy[i] - sum);
    }
  }

  static void tanh(View<const T> x, View<T> y) {
    using std::tanh;
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = tanh(x[i]);
  }
  static void tanh_backward(View<const T> y, View<const T> dy, View<T> dx) {
    for (std::size_t i = 0; i < y.size(); ++i) dx[i] = dy[i] * (T(1) - y[i] * y[i]);
  }
};

}  // namespace tessera::reference_detail
