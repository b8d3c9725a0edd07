// What training minimises, and sums over whole buffers, from the first value to the last. sg is stop-gradient.
#pragma once

#include <cmath>
#include <concepts>
#include <type_traits>

#include <tessera/backend/operations.hpp>
#include <tessera/core/dual.hpp>
#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

/// A sum over a whole float buffer, a million values long, needs more digits than float has.
template <class T>
using Accumulator = std::conditional_t<std::same_as<T, float>, double, T>;

template <class T>
struct LossesOps {
  using Sum = Accumulator<T>;

  /// y = sg(zq) + (z - sg(z)). Bengio et al. 2013, arXiv:1308.3432.
  static void straight_through(View<const T> z, View<const T> zq, View<T> y) {
    for (std::size_t i = 0; i < z.size(); ++i) y[i] = detach(zq[i]) + (z[i] - detach(z[i]));
  }

  /// mean((sg(z) - zq)^2) and mean((z - sg(zq))^2). van den Oord et al. 2017, arXiv:1711.00937, eq. 3.
  static QuantizerLoss<Sum> quantizer_loss(View<const T> z, View<const T> zq) {
    QuantizerLoss<Sum> loss{};
    for (std::size_t i = 0; i < z.size(); ++i) {
      loss.codebook += square(Sum(detach(z[i])) - Sum(zq[i]));
      loss.commitment += square(Sum(z[i]) - Sum(detach(zq[i])));
    }
    return {loss.codebook / count(z), loss.commitment / count(z)};
  }
  /// Adds commitment_weight * d commitment / dz to dz; dzq = codebook_weight * d codebook / dzq.
  static void quantizer_loss_backward(View<const T> z, View<const T> zq, double codebook_weight,
                                      double commitment_weight, View<T> dz, View<T> dzq) {
    for (std::size_t i = 0; i < z.size(); ++i) {
      const Sum slope = Sum(2) * (Sum(z[i]) - Sum(zq[i])) / count(z);
      dz[i] += T(Sum(commitment_weight) * slope);
      dzq[i] = T(Sum(-codebook_weight) * slope);
    }
  }

  static Sum squared_error(View<const T> x, View<const T> target) {
    Sum sum{};
    for (std::size_t i = 0; i < x.size(); ++i) sum += square(Sum(x[i]) - Sum(target[i]));
    return sum / count(x);
  }
  static void squared_error_backward(View<const T> x, View<const T> target, double weight, View<T> dx) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      dx[i] = T(Sum(2 * weight) * (Sum(x[i]) - Sum(target[i])) / count(x));
    }
  }

  static Sum absolute_error(View<const T> x, View<const T> target) {
    using std::fabs;
    Sum sum{};
    for (std::size_t i = 0; i < x.size(); ++i) sum += fabs(Sum(x[i]) - Sum(target[i]));
    return sum / count(x);
  }
  /// The slope where x = target is 0, as in PyTorch.
  static void absolute_error_backward(View<const T> x, View<const T> target, double weight, View<T> dx) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double sign = static_cast<double>(x[i] > target[i]) - static_cast<double>(x[i] < target[i]);
      dx[i] = T(Sum(weight * sign) / count(x));
    }
  }

  static Sum sum(View<const T> x) {
    Sum sum{};
    for (const T& value : x) sum += Sum(value);
    return sum;
  }
  static Sum sum_of_squares(View<const T> x) {
    Sum sum{};
    for (const T& value : x) sum += square(Sum(value));
    return sum;
  }

 private:
  static Sum square(Sum x) { return x * x; }
  static Sum count(View<const T> x) { return Sum(static_cast<double>(x.size())); }
};

}  // namespace tessera::reference_detail
