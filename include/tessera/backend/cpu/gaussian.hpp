// Diagonal Gaussians: parameters [rows, 2C], the mean, then the log-variance, which is clamped to [-30, 20]. Samples by
// the reparametrization trick, and the divergence from the unit Gaussian. Kingma and Welling 2014, arXiv:1312.6114,
// eq. 10.
#pragma once

#include <tessera/backend/cpu/loops.hpp>
#include <tessera/backend/cpu/vector_math.hpp>

namespace tessera::cpu_detail {

template <class Arch>
struct GaussianOps {
  using V = Lanes<Arch>;

  template <Index C>
  static void gaussian_sample(Shape<C>, Index rows, View<const float> parameters, View<const float> noise,
                              View<float> z) {
    for_each_row<C>(rows, [&](Index r) {
      const float* const mean = parameters.data() + r * 2 * C;
      for_each_vector(
          C, [&](Index c, auto n) __attribute__((always_inline)) {
            V value = load<Arch>(mean + c, n);
            if (!noise.empty()) {
              value = fma(deviation(log_variance(mean + C + c, n)), load<Arch>(noise.data() + r * C + c, n), value);
            }
            store<Arch>(value, z.data() + r * C + c, n);
          });
    });
  }

  template <Index C>
  static void gaussian_kl(Shape<C>, Index rows, View<const float> parameters, View<float> kl) {
    for_each_row<C>(rows, [&](Index r) {
      const float* const mean = parameters.data() + r * 2 * C;
      // Lanes past the end have mean 0 and log-variance 0, and add 0.
      kl[r] = 0.5F * sum_vectors<Arch>(
                         C, [&](const V& sum, Index c, auto n) __attribute__((always_inline)) {
                           const V log_var = log_variance(mean + C + c, n);
                           const V excess = (exp(log_var) - V::broadcast(1.0F)) - log_var;
                           const V average = load<Arch>(mean + c, n);
                           return sum + fma(average, average, excess);
                         });
    });
  }

  template <Index C>
  static void gaussian_backward(Shape<C>, Index rows, View<const float> parameters, View<const float> noise,
                                View<const float> dz, double kl_weight, View<float> dparameters) {
    using Batch = typename V::Batch;
    const V weight = V::broadcast(static_cast<float>(kl_weight));
    const V half_weight = V::broadcast(static_cast<float>(kl_weight / 2));
    for_each_row<C>(rows, [&](Index r) {
      const float* const mean = parameters.data() + r * 2 * C;
      float* const dmean = dparameters.data() + r * 2 * C;
      for_each_vector(
          C, [&](Index c, auto n) __attribute__((always_inline)) {
            const V log_var = log_variance(mean + C + c, n);
            const V slope_of_z = load<Arch>(dz.data() + r * C + c, n);
            V slope = half_weight * (exp(log_var) - V::broadcast(1.0F));
            if (!noise.empty()) {
              const V change = V::broadcast(0.5F) * deviation(log_var) * load<Arch>(noise.data() + r * C + c, n);
              slope = fma(slope_of_z, change, slope);
            }
            const V unless_clamped = V::map(
                [](Batch given, Batch used, Batch value)
                    __attribute__((always_inline)) { return Batch(xsimd::select(given == used, value, Batch(0.0F))); },
                load<Arch>(mean + C + c, n), log_var, slope);
            store<Arch>(fma(weight, load<Arch>(mean + c, n), slope_of_z), dmean + c, n);
            store<Arch>(unless_clamped, dmean + C + c, n);
          });
    });
  }

 private:
  template <class N>
  [[gnu::always_inline]] static V log_variance(const float* p, N n) {
    return min(V::broadcast(20.0F), max(V::broadcast(-30.0F), load<Arch>(p, n)));
  }
  [[gnu::always_inline]] static V deviation(const V& log_variance) { return exp(V::broadcast(0.5F) * log_variance); }

  template <Index C, class F>
  static void for_each_row(Index rows, F&& f) {
    parallel_ranges(rows, 2 * C, [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) f(r);
    });
  }
};

}  // namespace tessera::cpu_detail
