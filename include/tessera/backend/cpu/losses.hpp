// What training minimises, and sums over whole buffers (their order: sum_blocks in loops.hpp). sg is stop-gradient.
#pragma once

#include <algorithm>

#include <tessera/backend/cpu/loops.hpp>
#include <tessera/backend/operations.hpp>

namespace tessera::cpu_detail {

template <class Arch>
struct LossesOps {
  using V = Lanes<Arch>;

  /// y = z + sg(zq - z), whose value is zq. Bengio et al. 2013, arXiv:1308.3432.
  static void straight_through([[maybe_unused]] View<const float> z, View<const float> zq, View<float> y) {
    std::copy(zq.begin(), zq.end(), y.begin());
  }

  /// mean((sg(z) - zq)^2) and mean((z - sg(zq))^2): one number, two gradients. van den Oord et al. 2017,
  /// arXiv:1711.00937, eq. 3.
  static QuantizerLoss<double> quantizer_loss(View<const float> z, View<const float> zq) {
    const double distance = squared_error(z, zq);
    return {distance, distance};
  }
  /// Adds commitment_weight * d commitment / dz to dz; dzq = codebook_weight * d codebook / dzq.
  static void quantizer_loss_backward(View<const float> z, View<const float> zq, double codebook_weight,
                                      double commitment_weight, View<float> dz, View<float> dzq) {
    const V commitment = V::broadcast(static_cast<float>(2 * commitment_weight / count(z)));
    const V codebook = V::broadcast(static_cast<float>(-2 * codebook_weight / count(z)));
    parallel_vectors(
        size(z), [&](Index i, auto n) __attribute__((always_inline)) {
          const V difference = load<Arch>(z.data() + i, n) - load<Arch>(zq.data() + i, n);
          store<Arch>(fma(commitment, difference, load<Arch>(dz.data() + i, n)), dz.data() + i, n);
          store<Arch>(codebook * difference, dzq.data() + i, n);
        });
  }

  static double squared_error(View<const float> x, View<const float> target) {
    return sum_blocks<Arch>(
               size(x),
               [&](const V& sum, Index i, auto n) __attribute__((always_inline)) {
                 const V difference = load<Arch>(x.data() + i, n) - load<Arch>(target.data() + i, n);
                 return fma(difference, difference, sum);
               }) /
           count(x);
  }
  static void squared_error_backward(View<const float> x, View<const float> target, double weight, View<float> dx) {
    const V slope = V::broadcast(static_cast<float>(2 * weight / count(x)));
    parallel_vectors(
        size(x), [&](Index i, auto n) __attribute__((always_inline)) {
          store<Arch>(slope * (load<Arch>(x.data() + i, n) - load<Arch>(target.data() + i, n)), dx.data() + i, n);
        });
  }

  static double absolute_error(View<const float> x, View<const float> target) {
    using Batch = typename V::Batch;
    return sum_blocks<Arch>(
               size(x),
               [&](const V& sum, Index i, auto n) __attribute__((always_inline)) {
                 const V difference = load<Arch>(x.data() + i, n) - load<Arch>(target.data() + i, n);
                 return sum + V::map([](Batch part) { return Batch(xsimd::abs(part)); }, difference);
               }) /
           count(x);
  }
  /// The slope where x = target is 0, as in PyTorch.
  static void absolute_error_backward(View<const float> x, View<const float> target, double weight, View<float> dx) {
    using Batch = typename V::Batch;
    const float slope = static_cast<float>(weight / count(x));
    parallel_vectors(
        size(x), [&](Index i, auto n) __attribute__((always_inline)) {
          const auto signed_slope = [&](Batch a, Batch b) {
            const Batch positive = xsimd::select(a > b, Batch(slope), Batch(0.0F));
            return Batch(xsimd::select(a < b, Batch(-slope), positive));
          };
          store<Arch>(V::map(signed_slope, load<Arch>(x.data() + i, n), load<Arch>(target.data() + i, n)),
                      dx.data() + i, n);
        });
  }

  static double sum(View<const float> x) {
    return sum_blocks<Arch>(
        size(x), [&](const V& sum, Index i, auto n)
                     __attribute__((always_inline)) { return sum + load<Arch>(x.data() + i, n); });
  }
  static double sum_of_squares(View<const float> x) {
    return sum_blocks<Arch>(
        size(x), [&](const V& sum, Index i, auto n) __attribute__((always_inline)) {
          const V value = load<Arch>(x.data() + i, n);
          return fma(value, value, sum);
        });
  }

 private:
  static Index size(View<const float> x) { return static_cast<Index>(x.size()); }
  static double count(View<const float> x) { return static_cast<double>(x.size()); }
};

}  // namespace tessera::cpu_detail
