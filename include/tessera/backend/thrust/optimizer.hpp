// One AdamW update, the moving average of weights, and fill. Loshchilov and Hutter 2019, arXiv:1711.05101.
#pragma once

#include <type_traits>

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

/// As torch.optim.AdamW: m and v are updated, the parameter shrinks, then it moves by m / (sqrt(v) + eps).
struct AdamW {
  AdamWFactors by;
  const float* gradient;
  float* parameter;
  float* first_moment;
  float* second_moment;

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const float g = by.scale * gradient[i];
    const float m = by.beta1 * first_moment[i] + by.new1 * g;
    const float v = by.beta2 * second_moment[i] + by.new2 * g * g;
    first_moment[i] = m;
    second_moment[i] = v;
    parameter[i] = by.decay * parameter[i] - by.move * (m / (std::sqrt(v) * by.root_correction + by.eps));
  }
};

struct MovingAverage {
  float old_share, new_share;
  const float* x;
  float* average;
  TESSERA_HOST_DEVICE void operator()(Index i) const { average[i] = old_share * average[i] + new_share * x[i]; }
};

template <class T>
struct Fill {
  T value;
  T* y;
  TESSERA_HOST_DEVICE void operator()(Index i) const { y[i] = value; }
};

template <class System>
struct OptimizerOps {
  using S = typename System::Scalar;

  static void adamw(AdamWStep step, View<const float> gradient, View<float> parameter, View<float> first_moment,
                    View<float> second_moment) {
    launch<System>(static_cast<Index>(gradient.size()), AdamW{AdamWFactors(step), gradient.data(), parameter.data(),
                                                              first_moment.data(), second_moment.data()});
  }
  static void moving_average(double decay, View<const float> x, View<float> average) {
    launch<System>(static_cast<Index>(x.size()),
                   MovingAverage{static_cast<float>(decay), static_cast<float>(1 - decay), x.data(), average.data()});
  }
  static void fill(S value, View<S> y) { launch<System>(static_cast<Index>(y.size()), Fill<S>{value, y.data()}); }
  static void fill(Wide<S> value, View<Wide<S>> y) requires(!std::is_same_v<S, Wide<S>>) {
    launch<System>(static_cast<Index>(y.size()), Fill<Wide<S>>{value, y.data()});
  }
  static void round(View<const Wide<S>> x, View<S> y) requires(!std::is_same_v<S, Wide<S>>) {
    launch<System>(static_cast<Index>(x.size()), Convert<Wide<S>, S>{x.data(), y.data()});
  }
};

}  // namespace tessera::thrust_detail
