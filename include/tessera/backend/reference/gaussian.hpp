// Diagonal Gaussians: parameters [rows, 2C], the mean, then the log-variance, which is clamped to [-30, 20]. Samples by
// the reparametrization trick, and the divergence from the unit Gaussian. Kingma and Welling 2014, arXiv:1312.6114,
// eq. 10.
#pragma once

#include <algorithm>
#include <cmath>

#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct GaussianOps {
  template <Index C>
  static void gaussian_sample(Shape<C>, Index rows, View<const T> parameters, View<const T> noise, View<T> z) {
    using std::exp;
    for (Index i = 0; i < rows * C; ++i) {
      const Index at = mean_index<C>(i);
      z[i] = parameters[at];
      if (!noise.empty()) z[i] += exp(clamped(parameters[at + C]) / T(2)) * noise[i];
    }
  }

  template <Index C>
  static void gaussian_kl(Shape<C>, Index rows, View<const T> parameters, View<T> kl) {
    using std::exp;
    std::fill_n(kl.data(), rows, T{});
    for (Index i = 0; i < rows * C; ++i) {
      const Index at = mean_index<C>(i);
      const T log_variance = clamped(parameters[at + C]);
      kl[i / C] += (parameters[at] * parameters[at] + exp(log_variance) - T(1) - log_variance) / T(2);
    }
  }

  template <Index C>
  static void gaussian_backward(Shape<C>, Index rows, View<const T> parameters, View<const T> noise, View<const T> dz,
                                double kl_weight, View<T> dparameters) {
    using std::exp;
    for (Index i = 0; i < rows * C; ++i) {
      const Index at = mean_index<C>(i);
      const T log_variance = clamped(parameters[at + C]);
      T slope = T(kl_weight) * (exp(log_variance) - T(1)) / T(2);
      if (!noise.empty()) slope += dz[i] * noise[i] * exp(log_variance / T(2)) / T(2);
      dparameters[at] = dz[i] + T(kl_weight) * parameters[at];
      dparameters[at + C] = log_variance == parameters[at + C] ? slope : T{};
    }
  }

 private:
  /// Where the mean of value i of z stands; its log-variance stands C further.
  template <Index C>
  static Index mean_index(Index i) {
    return i / C * 2 * C + i % C;
  }
  static T clamped(T log_variance) { return std::clamp(log_variance, T(-30), T(20)); }
};

}  // namespace tessera::reference_detail
