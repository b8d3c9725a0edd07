// y = (x - mean) * rstd * weight + bias, row by row. Ba et al. 2016, arXiv:1607.06450. Sums run over a row in sixteen
// lanes (loops.hpp), over rows from the first to the last.
#pragma once

#include <cmath>

#include <tessera/backend/cpu/loops.hpp>

namespace tessera::cpu_detail {

template <class Arch>
struct LayerNormOps {
  using V = Lanes<Arch>;

  template <Index D>
  static void layer_norm(Shape<D>, Index rows, View<const float> x, View<const float> weight, View<const float> bias,
                         View<float> y, View<float> mean, View<float> rstd) {
    parallel_ranges(rows, D, [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) {
        const Statistics s = statistics<D>(x.data() + r * D);
        normalize<D>(x.data() + r * D, s, weight.data(), bias.data(), y.data() + r * D);
        if (!mean.empty()) mean[r] = s.mean;
        if (!rstd.empty()) rstd[r] = s.rstd;
      }
    });
  }

  /// With n = (x - mean) * rstd and g = dy * weight: dx = rstd * (g - mean(g) - n * mean(g n)). Adds to every output.
  template <Index D>
  static void layer_norm_backward(Shape<D>, Index rows, View<const float> x, View<const float> weight,
                                  View<const float> mean, View<const float> rstd, View<const float> dy, View<float> dx,
                                  View<float> dweight, View<float> dbias) {
    parallel_ranges(rows, D, [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) {
        add_input_gradient<D>(x.data() + r * D, {mean[r], rstd[r]}, weight.data(), dy.data() + r * D,
                              dx.data() + r * D);
      }
    });
    parallel_for(ceil_div(D, columns), [&](Index block) {
      const Index first = block * columns;
      for_each_vector(std::min(columns, D - first), [&](Index i, auto n) {
        add_parameter_gradients<D>(first + i, n, rows, x.data(), mean.data(), rstd.data(), dy.data(), dweight.data(),
                                   dbias.data());
      });
    });
  }

 private:
  static constexpr float eps = 1e-5F;
  static constexpr Index columns = 64;  // of one task of the parameters' gradients

  struct Statistics {
    float mean;
    float rstd;
  };

  template <Index D>
  static Statistics statistics(const float* x) {
    const float mean = sum_vectors<Arch>(
                           D, [&](const V& sum, Index i, auto n)
                                  __attribute__((always_inline)) { return sum + load<Arch>(x + i, n); }) /
                       static_cast<float>(D);
    const float squares = sum_vectors<Arch>(
        D, [&](const V& sum, Index i, auto n) __attribute__((always_inline)) {
          const V difference = centered(x + i, n, mean);
          return fma(difference, difference, sum);
        });
    return {mean, 1.0F / std::sqrt(squares / static_cast<float>(D) + eps)};
  }

  /// x - mean; zero in the lanes past the end.
  [[gnu::always_inline]] static V centered(const float* x, AllLanes, float mean) {
    return V::load(x) - V::broadcast(mean);
  }
  [[gnu::always_inline]] static V centered(const float* x, Index n, float mean) {
    return V::load_partial(x, n, mean) - V::broadcast(mean);
  }

  template <Index D>
  static void normalize(const float* x, Statistics s, const float* weight, const float* bias, float* y) {
    const V scale = V::broadcast(s.rstd);
    for_each_vector(
        D, [&](Index i, auto n) __attribute__((always_inline)) {
          const V normalized = centered(x + i, n, s.mean) * scale;
          store<Arch>(fma(normalized, load<Arch>(weight + i, n), load<Arch>(bias + i, n)), y + i, n);
        });
  }

  template <Index D>
  static void add_input_gradient(const float* x, Statistics s, const float* weight, const float* dy, float* dx) {
    const V scale = V::broadcast(s.rstd);
    const float mean_g =
        sum_vectors<Arch>(
            D, [&](const V& sum, Index i, auto n) __attribute__((
                   always_inline)) { return fma(load<Arch>(dy + i, n), load<Arch>(weight + i, n), sum); }) /
        static_cast<float>(D);
    const float mean_gn = sum_vectors<Arch>(
                              D,
                              [&](const V& sum, Index i, auto n) __attribute__((always_inline)) {
                                const V g = load<Arch>(dy + i, n) * load<Arch>(weight + i, n);
                                return fma(g, centered(x + i, n, s.mean) * scale, sum);
                              }) /
                          static_cast<float>(D);
    for_each_vector(
        D, [&](Index i, auto n) __attribute__((always_inline)) {
          const V g = load<Arch>(dy + i, n) * load<Arch>(weight + i, n) - V::broadcast(mean_g);
          const V normalized = centered(x + i, n, s.mean) * scale;
          store<Arch>(fma(fma(normalized, V::broadcast(-mean_gn), g), scale, load<Arch>(dx + i, n)), dx + i, n);
        });
  }

  /// dweight += sum of dy * n and dbias += sum of dy over the rows, for the columns from `column` on.
  template <Index D, class N>
  static void add_parameter_gradients(Index column, N n, Index rows, const float* x, const float* mean,
                                      const float* rstd, const float* dy, float* dweight, float* dbias) {
    V weight_sum = V::broadcast(0.0F);
    V bias_sum = V::broadcast(0.0F);
    for (Index r = 0; r < rows; ++r) {
      const V slope = load<Arch>(dy + r * D + column, n);
      weight_sum = fma(centered(x + r * D + column, n, mean[r]) * V::broadcast(rstd[r]), slope, weight_sum);
      bias_sum = bias_sum + slope;
    }
    store<Arch>(load<Arch>(dweight + column, n) + weight_sum, dweight + column, n);
    store<Arch>(load<Arch>(dbias + column, n) + bias_sum, dbias + column, n);
  }
};

}  // namespace tessera::cpu_detail
