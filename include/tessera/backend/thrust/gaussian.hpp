// Diagonal Gaussians: parameters [rows, 2C], the mean, then the log-variance, which is clamped to [-30, 20]. Samples by
// the reparametrization trick, and the divergence from the unit Gaussian. Kingma and Welling 2014, arXiv:1312.6114,
// eq. 10.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

/// Where the mean of value i of z stands; its log-variance stands C further.
template <Index C>
TESSERA_HOST_DEVICE Index mean_index(Index i) {
  return i / C * 2 * C + i % C;
}
TESSERA_HOST_DEVICE inline float clamped_log_variance(float x) {
  return x < -30.0F ? -30.0F : x > 20.0F ? 20.0F : x;
}

template <class S, Index C>
struct GaussianSample {
  const S* parameters;  // [rows, 2 C]
  const S* noise;       // [rows, C], or null
  S* z;                 // [rows, C]

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const S* mean = parameters + mean_index<C>(i);
    const float deviation = std::exp(clamped_log_variance(mean[C]) / 2.0F);
    z[i] = noise == nullptr ? static_cast<float>(*mean) : *mean + deviation * noise[i];
  }
};

template <class S, Index C>
struct GaussianKl {
  const S* parameters;  // [rows, 2 C]
  float* kl;            // [rows]

  TESSERA_HOST_DEVICE void operator()(Index r) const {
    double sum = 0;
    for (Index i = r * C; i < (r + 1) * C; ++i) {
      const double mean = static_cast<double>(parameters[mean_index<C>(i)]);
      const double log_variance = static_cast<double>(clamped_log_variance(parameters[mean_index<C>(i) + C]));
      sum += (mean * mean + std::exp(log_variance) - 1 - log_variance) / 2;
    }
    kl[r] = static_cast<float>(sum);
  }
};

template <class S, Index C>
struct GaussianBackward {
  const S* parameters;  // [rows, 2 C]
  const S* noise;       // [rows, C], or null
  const S* dz;          // [rows, C]
  float kl_weight;
  S* dparameters;  // [rows, 2 C]

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index at = mean_index<C>(i);
    const float log_variance = clamped_log_variance(parameters[at + C]);
    float slope = kl_weight * (std::exp(log_variance) - 1.0F) / 2.0F;
    if (noise != nullptr) slope += dz[i] * noise[i] * std::exp(log_variance / 2.0F) / 2.0F;
    dparameters[at] = dz[i] + kl_weight * parameters[at];
    dparameters[at + C] = log_variance == parameters[at + C] ? slope : 0.0F;
  }
};

template <class System>
struct GaussianOps {
  using S = typename System::Scalar;

  template <Index C>
  static void gaussian_sample(Shape<C>, Index rows, View<const S> parameters, View<const S> noise, View<S> z) {
    launch<System>(rows * C, GaussianSample<S, C>{parameters.data(), optional(noise), z.data()});
  }
  template <Index C>
  static void gaussian_kl(Shape<C>, Index rows, View<const S> parameters, View<Wide<S>> kl) {
    launch<System>(rows, GaussianKl<S, C>{parameters.data(), kl.data()});
  }
  template <Index C>
  static void gaussian_backward(Shape<C>, Index rows, View<const S> parameters, View<const S> noise, View<const S> dz,
                                double kl_weight, View<S> dparameters) {
    launch<System>(rows * C, GaussianBackward<S, C>{parameters.data(), optional(noise), dz.data(),
                                                    static_cast<float>(kl_weight), dparameters.data()});
  }
};

}  // namespace tessera::thrust_detail
