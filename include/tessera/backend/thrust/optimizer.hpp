// One AdamW update, the moving average of weights, and fill. Loshchilov and Hutter 2019, arXiv:1711.05101.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

/// As torch.optim.AdamW: m and v are updated, the parameter shrinks, then it moves by m / (sqrt(v) + eps).
struct AdamW {
  float scale, beta1, new1, beta2, new2, root_correction, eps, decay, move;
  const float* gradient;
  float* parameter;
  float* first_moment;
  float* second_moment;

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const float g = gradient[i] * scale;
    const float m = beta1 * first_moment[i] + new1 * g;
    const float v = beta2 * second_moment[i] + new2 * g * g;
    first_moment[i] = m;
    second_moment[i] = v;
    parameter[i] = decay * parameter[i] - move * (m / (std::sqrt(v) * root_correction + eps));
  }
};

struct MovingAverage {
  float old_share, new_share;
  const float* x;
  float* average;
  TESSERA_HOST_DEVICE void operator()(Index i) const { average[i] = old_share * average[i] + new_share * x[i]; }
};

struct Fill {
  float value;
  float* y;
  TESSERA_HOST_DEVICE void operator()(Index i) const { y[i] = value; }
};

template <class System>
struct OptimizerOps {
  static void adamw(AdamWStep step, View<const float> gradient, View<float> parameter, View<float> first_moment,
                    View<float> second_moment) {
    const double t = static_cast<double>(step.step);
    const auto number = [](double value) { return static_cast<float>(value); };
    launch<System>(static_cast<Index>(gradient.size()),
                   AdamW{.scale = number(step.gradient_scale),
                         .beta1 = number(step.beta1),
                         .new1 = number(1 - step.beta1),
                         .beta2 = number(step.beta2),
                         .new2 = number(1 - step.beta2),
                         .root_correction = number(1 / std::sqrt(1 - std::pow(step.beta2, t))),
                         .eps = number(step.eps),
                         .decay = number(1 - step.learning_rate * step.weight_decay),
                         .move = number(step.learning_rate / (1 - std::pow(step.beta1, t))),
                         .gradient = gradient.data(),
                         .parameter = parameter.data(),
                         .first_moment = first_moment.data(),
                         .second_moment = second_moment.data()});
  }
  static void moving_average(double decay, View<const float> x, View<float> average) {
    launch<System>(static_cast<Index>(x.size()),
                   MovingAverage{static_cast<float>(decay), static_cast<float>(1 - decay), x.data(), average.data()});
  }
  static void fill(float value, View<float> y) { launch<System>(static_cast<Index>(y.size()), Fill{value, y.data()}); }
};

}  // namespace tessera::thrust_detail
