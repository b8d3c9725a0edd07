// Softmax over rows, and tanh value by value.
#pragma once

#include <algorithm>
#include <limits>

#include <tessera/backend/cpu/loops.hpp>
#include <tessera/backend/cpu/vector_math.hpp>

namespace tessera::cpu_detail {

template <class Arch>
struct ActivationsOps {
  using V = Lanes<Arch>;

  /// y = exp(x - max) / sum(exp(x - max)).
  template <Index D>
  static void softmax(Shape<D>, Index rows, View<const float> x, View<float> y) {
    for_each_row<D>(rows, [&](Index first) {
      const float* const from = x.data() + first;
      float* const to = y.data() + first;
      const V largest = V::broadcast(row_maximum<D>(from));
      const float sum = sum_vectors<Arch>(
          D, [&](const V& partial, Index i, auto n) __attribute__((always_inline)) {
            const V power = exp(load_or(from + i, n, -std::numeric_limits<float>::infinity()) - largest);
            store<Arch>(power, to + i, n);
            return partial + power;
          });
      const V divisor = V::broadcast(sum);
      for_each_vector(D, [&](Index i, auto n) { store<Arch>(load<Arch>(to + i, n) / divisor, to + i, n); });
    });
  }
  /// dx = y * (dy - sum(dy y)).
  template <Index D>
  static void softmax_backward(Shape<D>, Index rows, View<const float> y, View<const float> dy, View<float> dx) {
    for_each_row<D>(rows, [&](Index first) {
      const float* const value = y.data() + first;
      const float* const slope = dy.data() + first;
      const V sum = V::broadcast(sum_vectors<Arch>(
          D, [&](const V& partial, Index i, auto n) __attribute__((always_inline)) {
            return fma(load<Arch>(slope + i, n), load<Arch>(value + i, n), partial);
          }));
      for_each_vector(D, [&](Index i, auto n) {
        store<Arch>(load<Arch>(value + i, n) * (load<Arch>(slope + i, n) - sum), dx.data() + first + i, n);
      });
    });
  }

  static void tanh(View<const float> x, View<float> y) {
    parallel_vectors(
        size(x), [&](Index i, auto n) __attribute__((always_inline)) {
          store<Arch>(cpu_detail::tanh(load<Arch>(x.data() + i, n)), y.data() + i, n);
        });
  }
  /// dx = dy * (1 - y^2).
  static void tanh_backward(View<const float> y, View<const float> dy, View<float> dx) {
    parallel_vectors(
        size(y), [&](Index i, auto n) __attribute__((always_inline)) {
          const V value = load<Arch>(y.data() + i, n);
          const V slope = fma(V::broadcast(0.0F) - value, value, V::broadcast(1.0F));
          store<Arch>(load<Arch>(dy.data() + i, n) * slope, dx.data() + i, n);
        });
  }

 private:
  static Index size(View<const float> x) { return static_cast<Index>(x.size()); }

  /// f(the row's first value)
  template <Index D, class F>
  static void for_each_row(Index rows, F&& f) {
    parallel_ranges(rows, D, [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) f(r * D);
    });
  }

  /// Sixteen values, or those that are left and `rest` in the other lanes.
  [[gnu::always_inline]] static V load_or(const float* p, AllLanes, float /*rest*/) { return V::load(p); }
  [[gnu::always_inline]] static V load_or(const float* p, Index n, float rest) { return V::load_partial(p, n, rest); }

  template <Index D>
  static float row_maximum(const float* x) {
    V largest = V::broadcast(x[0]);
    for_each_vector(
        D, [&](Index i, auto n) __attribute__((always_inline)) { largest = max(largest, load_or(x + i, n, x[0])); });
    alignas(alignment) float values[lanes];
    largest.store(values);
    return *std::max_element(values, values + lanes);
  }
};

}  // namespace tessera::cpu_detail
