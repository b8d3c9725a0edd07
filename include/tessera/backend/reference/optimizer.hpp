// One AdamW update, the moving average of weights, and fill. Loshchilov and Hutter 2019, arXiv:1711.05101.
#pragma once

#include <algorithm>
#include <cmath>

#include <tessera/backend/operations.hpp>
#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct OptimizerOps {
  static void adamw(AdamWStep step, View<const T> gradient, View<T> parameter, View<T> first_moment,
                    View<T> second_moment) {
    using std::sqrt;
    const double t = static_cast<double>(step.step);
    const double first_correction = 1 - std::pow(step.beta1, t);
    const double second_correction = std::sqrt(1 - std::pow(step.beta2, t));
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      const T g = gradient[i] * T(step.gradient_scale);
      T& m = first_moment[i];
      T& v = second_moment[i];
      m = T(step.beta1) * m + T(1 - step.beta1) * g;
      v = T(step.beta2) * v + T(1 - step.beta2) * g * g;
      const T root = sqrt(v) / T(second_correction) + T(step.eps);
      parameter[i] *= T(1 - step.learning_rate * step.weight_decay);
      parameter[i] -= T(step.learning_rate / first_correction) * m / root;
    }
  }
  static void moving_average(double decay, View<const T> x, View<T> average) {
    for (std::size_t i = 0; i < x.size(); ++i) average[i] = T(decay) * average[i] + T(1 - decay) * x[i];
  }
  static void fill(T value, View<T> y) { std::fill(y.begin(), y.end(), value); }
};

}  // namespace tessera::reference_detail
