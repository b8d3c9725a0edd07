// One AdamW update, the moving average of weights, and fill. Loshchilov and Hutter 2019, arXiv:1711.05101.
#pragma once

#include <tessera/backend/cpu/loops.hpp>
#include <tessera/backend/operations.hpp>

namespace tessera::cpu_detail {

template <class Arch>
struct OptimizerOps {
  using V = Lanes<Arch>;

  /// As torch.optim.AdamW: m and v are updated, the parameter shrinks, then it moves by m / (sqrt(v) + eps).
  static void adamw(AdamWStep step, View<const float> gradient, View<float> parameter, View<float> first_moment,
                    View<float> second_moment) {
    using Batch = typename V::Batch;
    const AdamWFactors by(step);
    const V scale = V::broadcast(by.scale);
    const V beta1 = V::broadcast(by.beta1);
    const V new1 = V::broadcast(by.new1);
    const V beta2 = V::broadcast(by.beta2);
    const V new2 = V::broadcast(by.new2);
    const V root_correction = V::broadcast(by.root_correction);
    const V eps = V::broadcast(by.eps);
    const V decay = V::broadcast(by.decay);
    const V move = V::broadcast(-by.move);
    parallel_vectors(
        static_cast<Index>(gradient.size()), [&](Index i, auto n) __attribute__((always_inline)) {
          const V g = scale * load<Arch>(gradient.data() + i, n);
          const V m = fma(beta1, load<Arch>(first_moment.data() + i, n), new1 * g);
          const V v = fma(beta2, load<Arch>(second_moment.data() + i, n), new2 * g * g);
          const V root = V::map([](Batch part) { return square_root(part); }, v);
          const V direction = m / fma(root, root_correction, eps);
          store<Arch>(m, first_moment.data() + i, n);
          store<Arch>(v, second_moment.data() + i, n);
          store<Arch>(fma(move, direction, decay * load<Arch>(parameter.data() + i, n)), parameter.data() + i, n);
        });
  }

  static void moving_average(double decay, View<const float> x, View<float> average) {
    const V old_share = number(decay);
    const V new_share = number(1 - decay);
    parallel_vectors(
        static_cast<Index>(x.size()), [&](Index i, auto n) __attribute__((always_inline)) {
          const V moved = fma(old_share, load<Arch>(average.data() + i, n), new_share * load<Arch>(x.data() + i, n));
          store<Arch>(moved, average.data() + i, n);
        });
  }

  static void fill(float value, View<float> y) {
    parallel_vectors(
        static_cast<Index>(y.size()), [&](Index i, auto n) __attribute__((always_inline)) {
          store<Arch>(V::broadcast(value), y.data() + i, n);
        });
  }

 private:
  static V number(double value) { return V::broadcast(static_cast<float>(value)); }
};

}  // namespace tessera::cpu_detail
