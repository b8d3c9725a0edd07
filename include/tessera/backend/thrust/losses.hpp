// What training minimises, and sums over whole buffers in double (their order: launch.hpp). sg is stop-gradient.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

template <class S>
struct QuantizerLossBackward {
  const S* z;
  const S* zq;
  float codebook, commitment;  // weights, and what the mean's slope multiplies them by
  S* dz;
  S* dzq;

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const float difference = z[i] - zq[i];
    dz[i] += commitment * difference;
    dzq[i] = -codebook * difference;
  }
};

template <class S>
struct SquaredErrorTerm {
  const S* x;
  const S* target;
  TESSERA_HOST_DEVICE double operator()(Index /*output*/, Index i) const {
    const double difference = static_cast<double>(x[i]) - static_cast<double>(target[i]);
    return difference * difference;
  }
};

template <class S>
struct SquaredErrorBackward {
  const S* x;
  const S* target;
  float slope;
  S* dx;
  TESSERA_HOST_DEVICE void operator()(Index i) const { dx[i] = slope * (x[i] - target[i]); }
};

template <class S>
struct AbsoluteErrorTerm {
  const S* x;
  const S* target;
  TESSERA_HOST_DEVICE double operator()(Index /*output*/, Index i) const {
    return std::fabs(static_cast<double>(x[i]) - static_cast<double>(target[i]));
  }
};

/// The slope where x = target is 0, as in PyTorch.
template <class S>
struct AbsoluteErrorBackward {
  const S* x;
  const S* target;
  float slope;
  S* dx;
  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const float difference = x[i] - target[i];
    dx[i] = difference > 0.0F ? slope : difference < 0.0F ? -slope : 0.0F;
  }
};

template <class S>
struct ValueTerm {
  const S* x;
  TESSERA_HOST_DEVICE double operator()(Index /*output*/, Index i) const { return static_cast<double>(x[i]); }
};

template <class S>
struct SquareTerm {
  const S* x;
  TESSERA_HOST_DEVICE double operator()(Index /*output*/, Index i) const {
    return static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
};

template <class System>
struct LossesOps {
  using S = typename System::Scalar;

  /// y = z + sg(zq - z), whose value is zq. Bengio et al. 2013, arXiv:1308.3432.
  static void straight_through(View<const S> z, View<const S> zq, View<S> y) {
    launch<System>(size(z), Convert<S, S>{zq.data(), y.data()});
  }

  /// mean((sg(z) - zq)^2) and mean((z - sg(zq))^2): one number, two gradients. van den Oord et al. 2017,
  /// arXiv:1711.00937, eq. 3.
  static QuantizerLoss<double> quantizer_loss(View<const S> z, View<const S> zq) {
    const double distance = squared_error(z, zq);
    return {distance, distance};
  }
  /// Adds commitment_weight * d commitment / dz to dz; dzq = codebook_weight * d codebook / dzq.
  static void quantizer_loss_backward(View<const S> z, View<const S> zq, double codebook_weight,
                                      double commitment_weight, View<S> dz, View<S> dzq) {
    launch<System>(size(z), QuantizerLossBackward<S>{z.data(), zq.data(), mean_slope(2 * codebook_weight, z),
                                                     mean_slope(2 * commitment_weight, z), dz.data(), dzq.data()});
  }

  static double squared_error(View<const S> x, View<const S> target) {
    return thrust_detail::sum<System>(size(x), SquaredErrorTerm<S>{x.data(), target.data()}) / count(x);
  }
  static void squared_error_backward(View<const S> x, View<const S> target, double weight, View<S> dx) {
    launch<System>(size(x), SquaredErrorBackward<S>{x.data(), target.data(), mean_slope(2 * weight, x), dx.data()});
  }

  static double absolute_error(View<const S> x, View<const S> target) {
    return thrust_detail::sum<System>(size(x), AbsoluteErrorTerm<S>{x.data(), target.data()}) / count(x);
  }
  static void absolute_error_backward(View<const S> x, View<const S> target, double weight, View<S> dx) {
    launch<System>(size(x), AbsoluteErrorBackward<S>{x.data(), target.data(), mean_slope(weight, x), dx.data()});
  }

  static double sum(View<const Wide<S>> x) {
    return thrust_detail::sum<System>(static_cast<Index>(x.size()), ValueTerm<Wide<S>>{x.data()});
  }
  static double sum_of_squares(View<const Wide<S>> x) {
    return thrust_detail::sum<System>(static_cast<Index>(x.size()), SquareTerm<Wide<S>>{x.data()});
  }

 private:
  static Index size(View<const S> x) { return static_cast<Index>(x.size()); }
  static double count(View<const S> x) { return static_cast<double>(x.size()); }
  static float mean_slope(double weight, View<const S> x) { return static_cast<float>(weight / count(x)); }
};

}  // namespace tessera::thrust_detail
