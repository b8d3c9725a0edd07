// y = (x - mean) * rstd * weight + bias, row by row. Ba et al. 2016, arXiv:1607.06450.
#pragma once

#include <cmath>

#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct LayerNormOps {
  template <Index D>
  static void layer_norm(Shape<D>, Index rows, View<const T> x, View<const T> weight, View<const T> bias, View<T> y,
                         View<T> mean, View<T> rstd) {
    using std::sqrt;
    for (Index r = 0; r < rows; ++r) {
      const T* row = x.data() + r * D;
      T average{};
      for (Index i = 0; i < D; ++i) average += row[i];
      average /= T(D);
      T variance{};  // biased: divided by D
      for (Index i = 0; i < D; ++i) variance += (row[i] - average) * (row[i] - average);
      variance /= T(D);
      const T scale = T(1) / sqrt(variance + T(1e-5));
      for (Index i = 0; i < D; ++i) y[r * D + i] = (row[i] - average) * scale * weight[i] + bias[i];
      if (!mean.empty()) mean[r] = average;
      if (!rstd.empty()) rstd[r] = scale;
    }
  }

  /// With n = (x - mean) * rstd and g = dy * weight: dx = rstd * (g - mean(g) - n * mean(g n)). Adds to every output.
  template <Index D>
  static void layer_norm_backward(Shape<D>, Index rows, View<const T> x, View<const T> weight, View<const T> mean,
                                  View<const T> rstd, View<const T> dy, View<T> dx, View<T> dweight, View<T> dbias) {
    for (Index r = 0; r < rows; ++r) {
      const auto normalized = [&](Index i) { return (x[r * D + i] - mean[r]) * rstd[r]; };
      T mean_g{};
      T mean_gn{};
      for (Index i = 0; i < D; ++i) {
        const T g = dy[r * D + i] * weight[i];
        mean_g += g;
        mean_gn += g * normalized(i);
      }
      mean_g /= T(D);
      mean_gn /= T(D);
      for (Index i = 0; i < D; ++i) {
        const T g = dy[r * D + i] * weight[i];
        dx[r * D + i] += rstd[r] * (g - mean_g - normalized(i) * mean_gn);
        dweight[i] += dy[r * D + i] * normalized(i);
        dbias[i] += dy[r * D + i];
      }
    }
  }
};

}  // namespace tessera::reference_detail
