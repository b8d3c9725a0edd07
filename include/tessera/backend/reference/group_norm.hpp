// y = silu(group_norm(x)), silu(v) = v / (1 + exp(-v)). Wu and He 2018, arXiv:1803.08494; Hendrycks and Gimpel 2016,
// arXiv:1606.08415. x [batch, pixels, C], C in G groups of neighbouring channels.
#pragma once

#include <cmath>

#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct GroupNormOps {
  template <Index C, Index G>
  static void group_norm_silu(Shape<C, G>, Index batch, Index pixels, View<const T> x, View<const T> weight,
                              View<const T> bias, View<T> y, View<T> mean, View<T> rstd) {
    using std::sqrt;
    for (Index group = 0; group < batch * G; ++group) {
      T average{};
      for_each_value<C, G>(group, pixels, [&](Index i, Index) { average += x[i]; });
      average /= T(static_cast<double>(pixels * (C / G)));
      T variance{};  // biased: divided by the number of values
      for_each_value<C, G>(group, pixels, [&](Index i, Index) { variance += (x[i] - average) * (x[i] - average); });
      variance /= T(static_cast<double>(pixels * (C / G)));
      const T scale = T(1) / sqrt(variance + T(1e-6));
      for_each_value<C, G>(group, pixels, [&](Index i, Index c) {
        const T normed = (x[i] - average) * scale * weight[c] + bias[c];
        y[i] = normed * sigmoid(normed);
      });
      if (!mean.empty()) mean[group] = average;
      if (!rstd.empty()) rstd[group] = scale;
    }
  }

  /// With n = (x - mean) * rstd, s = sigmoid(v) of v = n * weight + bias, dv = dy * s * (1 + v * (1 - s)) and g = dv *
  /// weight: dx = rstd * (g - mean(g) - n * mean(g n)). Adds to every output.
  template <Index C, Index G>
  static void group_norm_silu_backward(Shape<C, G>, Index batch, Index pixels, View<const T> x, View<const T> weight,
                                       View<const T> bias, View<const T> mean, View<const T> rstd, View<const T> dy,
                                       View<T> dx, View<T> dweight, View<T> dbias) {
    for (Index group = 0; group < batch * G; ++group) {
      const auto normalized = [&](Index i) { return (x[i] - mean[group]) * rstd[group]; };
      const auto slope = [&](Index i, Index c) {
        const T normed = normalized(i) * weight[c] + bias[c];
        const T s = sigmoid(normed);
        return dy[i] * s * (T(1) + normed * (T(1) - s));
      };
      T mean_g{};
      T mean_gn{};
      for_each_value<C, G>(group, pixels, [&](Index i, Index c) {
        mean_g += slope(i, c) * weight[c];
        mean_gn += slope(i, c) * weight[c] * normalized(i);
        dweight[c] += slope(i, c) * normalized(i);
        dbias[c] += slope(i, c);
      });
      mean_g /= T(static_cast<double>(pixels * (C / G)));
      mean_gn /= T(static_cast<double>(pixels * (C / G)));
      for_each_value<C, G>(group, pixels, [&](Index i, Index c) {
        dx[i] += rstd[group] * (slope(i, c) * weight[c] - mean_g - normalized(i) * mean_gn);
      });
    }
  }

 private:
  static T sigmoid(T x) {
    using std::exp;
    return T(1) / (T(1) + exp(-x));
  }

  /// f(offset in x, channel) for every value of group `group` of the batch.
  template <Index C, Index G, class F>
  static void for_each_value(Index group, Index pixels, F&& f) {
    constexpr Index channels = C / G;
    static_assert(channels * G == C, "group_norm_silu: the groups must divide the channels.");
    for (Index p = 0; p < pixels; ++p) {
      for (Index c = group % G * channels; c < (group % G + 1) * channels; ++c) {
        f((group / G * pixels + p) * C + c, c);
      }
    }
  }
};

}  // namespace tessera::reference_detail
