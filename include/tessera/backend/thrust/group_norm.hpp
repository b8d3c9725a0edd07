// y = silu(group_norm(x)), silu(v) = v / (1 + exp(-v)). Wu and He 2018, arXiv:1803.08494; Hendrycks and Gimpel
// 2016, arXiv:1606.08415. x [batch, pixels, C], C in G groups of neighbouring channels; one call per image and group.
// Sums in double.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

TESSERA_HOST_DEVICE inline float sigmoid(float x) {
  return 1.0F / (1.0F + std::exp(-x));
}

/// Where a group's values lie.
template <Index C, Index G>
struct GroupValues {
  static constexpr Index channels = C / G;
  static_assert(channels * G == C, "group_norm_silu: the groups must divide the channels.");
  Index pixels;

  TESSERA_HOST_DEVICE static Index channel(Index group, Index i) { return group % G * channels + i % channels; }
  /// Of value i of [pixels, channels].
  TESSERA_HOST_DEVICE Index offset(Index group, Index i) const {
    return (group / G * pixels + i / channels) * C + channel(group, i);
  }
  TESSERA_HOST_DEVICE Index count() const { return pixels * channels; }
};

template <class S, Index C, Index G>
struct GroupNormSilu {
  GroupValues<C, G> values;
  const S* x;       // [batch, pixels, C]
  const S* weight;  // [C]
  const S* bias;    // [C]
  S* y;             // [batch, pixels, C]
  float* mean;      // [batch, G]; these two: null where nobody reads them
  float* rstd;      // [batch, G]

  TESSERA_HOST_DEVICE void operator()(Index group) const {
    const double count = static_cast<double>(values.count());
    double sum = 0;
    for (Index i = 0; i < values.count(); ++i) sum += static_cast<double>(x[values.offset(group, i)]);
    const float average = static_cast<float>(sum / count);
    double squares = 0;
    for (Index i = 0; i < values.count(); ++i) {
      const double difference = static_cast<double>(x[values.offset(group, i)]) - static_cast<double>(average);
      squares += difference * difference;
    }
    const float scale = static_cast<float>(1 / std::sqrt(squares / count + 1e-6));
    for (Index i = 0; i < values.count(); ++i) {
      const Index at = values.offset(group, i), c = values.channel(group, i);
      const float normed = (x[at] - average) * scale * weight[c] + bias[c];
      y[at] = normed * sigmoid(normed);
    }
    if (mean != nullptr) mean[group] = average;
    if (rstd != nullptr) rstd[group] = scale;
  }
};

/// What the gradients share. n = (x - mean) * rstd; dv is the slope by v = n * weight + bias: dy * s * (1 + v * (1 -
/// s)), s = sigmoid(v).
template <class S, Index C, Index G>
struct GroupNormSlopes {
  const S* x;         // [batch, pixels, C]
  const S* weight;    // [C]
  const S* bias;      // [C]
  const float* mean;  // [batch, G]
  const float* rstd;  // [batch, G]
  const S* dy;        // [batch, pixels, C]

  TESSERA_HOST_DEVICE float normalized(Index at, Index group) const { return (x[at] - mean[group]) * rstd[group]; }
  TESSERA_HOST_DEVICE float dv(Index at, Index group, Index c) const {
    const float v = normalized(at, group) * weight[c] + bias[c];
    const float s = sigmoid(v);
    return dy[at] * s * (1.0F + v * (1.0F - s));
  }
};

/// With g = dv * weight: dx += rstd * (g - mean(g) - n * mean(g n)).
template <class S, Index C, Index G>
struct GroupNormInputGradient {
  GroupValues<C, G> values;
  GroupNormSlopes<S, C, G> slopes;
  S* dx;  // [batch, pixels, C]

  TESSERA_HOST_DEVICE void operator()(Index group) const {
    double sum_g = 0;
    double sum_gn = 0;
    for (Index i = 0; i < values.count(); ++i) {
      const Index at = values.offset(group, i), c = values.channel(group, i);
      const double g = static_cast<double>(slopes.dv(at, group, c) * slopes.weight[c]);
      sum_g += g;
      sum_gn += g * static_cast<double>(slopes.normalized(at, group));
    }
    const float mean_g = static_cast<float>(sum_g / static_cast<double>(values.count()));
    const float mean_gn = static_cast<float>(sum_gn / static_cast<double>(values.count()));
    for (Index i = 0; i < values.count(); ++i) {
      const Index at = values.offset(group, i), c = values.channel(group, i);
      const float g = slopes.dv(at, group, c) * slopes.weight[c];
      dx[at] += slopes.rstd[group] * (g - mean_g - slopes.normalized(at, group) * mean_gn);
    }
  }
};

/// Of channel c and pixel t of the batch: dv, and dv * n.
template <class S, Index C, Index G, bool times_normalized>
struct GroupNormChannelTerm {
  Index pixels;
  GroupNormSlopes<S, C, G> slopes;

  TESSERA_HOST_DEVICE double operator()(Index c, Index t) const {
    const Index at = t * C + c, group = t / pixels * G + c / (C / G);
    const float dv = slopes.dv(at, group, c);
    return static_cast<double>(times_normalized ? dv * slopes.normalized(at, group) : dv);
  }
};

template <class System>
struct GroupNormOps {
  using S = typename System::Scalar;

  template <Index C, Index G>
  static void group_norm_silu(Shape<C, G>, Index batch, Index pixels, View<const S> x, View<const S> weight,
                              View<const S> bias, View<S> y, View<Wide<S>> mean, View<Wide<S>> rstd) {
    launch<System>(batch * G,
                   GroupNormSilu<S, C, G>{
                       {pixels}, x.data(), weight.data(), bias.data(), y.data(), optional(mean), optional(rstd)});
  }
  template <Index C, Index G>
  static void group_norm_silu_backward(Shape<C, G>, Index batch, Index pixels, View<const S> x, View<const S> weight,
                                       View<const S> bias, View<const Wide<S>> mean, View<const Wide<S>> rstd,
                                       View<const S> dy, View<S> dx, View<Wide<S>> dweight, View<Wide<S>> dbias) {
    const GroupNormSlopes<S, C, G> slopes{x.data(), weight.data(), bias.data(), mean.data(), rstd.data(), dy.data()};
    launch<System>(batch * G, GroupNormInputGradient<S, C, G>{{pixels}, slopes, dx.data()});
    add_sums<System>(C, batch * pixels, GroupNormChannelTerm<S, C, G, true>{pixels, slopes}, dweight.data());
    add_sums<System>(C, batch * pixels, GroupNormChannelTerm<S, C, G, false>{pixels, slopes}, dbias.data());
  }
};

}  // namespace tessera::thrust_detail
