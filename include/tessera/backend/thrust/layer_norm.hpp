// y = (x - mean) * rstd * weight + bias, row by row. Ba et al. 2016, arXiv:1607.06450. Sums in double.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

template <class S, Index D>
struct LayerNormRow {
  const S* x;       // [rows, D]
  const S* weight;  // [D]
  const S* bias;    // [D]
  S* y;             // [rows, D]
  float* mean;      // [rows]; these two: null where nobody reads them
  float* rstd;      // [rows]

  TESSERA_HOST_DEVICE void operator()(Index r) const {
    const S* row = x + r * D;
    double sum = 0;
    for (Index i = 0; i < D; ++i) sum += static_cast<double>(row[i]);
    const float average = static_cast<float>(sum / D);
    double squares = 0;
    for (Index i = 0; i < D; ++i) {
      const double difference = static_cast<double>(row[i]) - static_cast<double>(average);
      squares += difference * difference;
    }
    const float scale = static_cast<float>(1 / std::sqrt(squares / D + 1e-5));
    for (Index i = 0; i < D; ++i) y[r * D + i] = (row[i] - average) * scale * weight[i] + bias[i];
    if (mean != nullptr) mean[r] = average;
    if (rstd != nullptr) rstd[r] = scale;
  }
};

/// With n = (x - mean) * rstd and g = dy * weight: dx += rstd * (g - mean(g) - n * mean(g n)).
template <class S, Index D>
struct LayerNormBackwardRow {
  const S* x;         // [rows, D]
  const S* weight;    // [D]
  const float* mean;  // [rows]
  const float* rstd;  // [rows]
  const S* dy;        // [rows, D]
  S* dx;              // [rows, D]

  TESSERA_HOST_DEVICE void operator()(Index r) const {
    double sum_g = 0;
    double sum_gn = 0;
    for (Index i = r * D; i < (r + 1) * D; ++i) {
      const double g = static_cast<double>(dy[i] * weight[i - r * D]);
      sum_g += g;
      sum_gn += g * static_cast<double>((x[i] - mean[r]) * rstd[r]);
    }
    const float mean_g = static_cast<float>(sum_g / D);
    const float mean_gn = static_cast<float>(sum_gn / D);
    for (Index i = r * D; i < (r + 1) * D; ++i) {
      dx[i] += rstd[r] * (dy[i] * weight[i - r * D] - mean_g - (x[i] - mean[r]) * rstd[r] * mean_gn);
    }
  }
};

/// Of weight i and row r: dy * n.
template <class S, Index D>
struct LayerNormWeightTerm {
  const S* x;         // [rows, D]
  const float* mean;  // [rows]
  const float* rstd;  // [rows]
  const S* dy;        // [rows, D]

  TESSERA_HOST_DEVICE double operator()(Index i, Index r) const {
    return static_cast<double>(dy[r * D + i] * ((x[r * D + i] - mean[r]) * rstd[r]));
  }
};

template <class S, Index D>
struct LayerNormBiasTerm {
  const S* dy;  // [rows, D]
  TESSERA_HOST_DEVICE double operator()(Index i, Index r) const { return static_cast<double>(dy[r * D + i]); }
};

template <class System>
struct LayerNormOps {
  using S = typename System::Scalar;

  template <Index D>
  static void layer_norm(Shape<D>, Index rows, View<const S> x, View<const S> weight, View<const S> bias, View<S> y,
                         View<Wide<S>> mean, View<Wide<S>> rstd) {
    launch<System>(rows,
                   LayerNormRow<S, D>{x.data(), weight.data(), bias.data(), y.data(), optional(mean), optional(rstd)});
  }
  template <Index D>
  static void layer_norm_backward(Shape<D>, Index rows, View<const S> x, View<const S> weight, View<const Wide<S>> mean,
                                  View<const Wide<S>> rstd, View<const S> dy, View<S> dx, View<Wide<S>> dweight,
                                  View<Wide<S>> dbias) {
    launch<System>(rows,
                   LayerNormBackwardRow<S, D>{x.data(), weight.data(), mean.data(), rstd.data(), dy.data(), dx.data()});
    add_sums<System>(D, rows, LayerNormWeightTerm<S, D>{x.data(), mean.data(), rstd.data(), dy.data()}, dweight.data());
    add_sums<System>(D, rows, LayerNormBiasTerm<S, D>{dy.data()}, dbias.data());
  }
};

}  // namespace tessera::thrust_detail
