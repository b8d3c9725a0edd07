// What training minimises, and sums over whole buffers in double (their order: launch.hpp). sg is stop-gradient.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

struct CopyValue {
  const float* x;
  float* y;
  TESSERA_HOST_DEVICE void operator()(Index i) const { y[i] = x[i]; }
};

struct QuantizerLossBackward {
  const float* z;
  const float* zq;
  float codebook, commitment;  // weights, and what the mean's slope multiplies them by
  float* dz;
  float* dzq;

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const float difference = z[i] - zq[i];
    dz[i] += commitment * difference;
    dzq[i] = -codebook * difference;
  }
};

struct SquaredErrorTerm {
  const float* x;
  const float* target;
  TESSERA_HOST_DEVICE double operator()(Index /*output*/, Index i) const {
    const double difference = static_cast<double>(x[i]) - static_cast<double>(target[i]);
    return difference * difference;
  }
};

struct SquaredErrorBackward {
  const float* x;
  const float* target;
  float slope;
  float* dx;
  TESSERA_HOST_DEVICE void operator()(Index i) const { dx[i] = slope * (x[i] - target[i]); }
};

struct AbsoluteErrorTerm {
  const float* x;
  const float* target;
  TESSERA_HOST_DEVICE double operator()(Index /*output*/, Index i) const {
    return std::fabs(static_cast<double>(x[i]) - static_cast<double>(target[i]));
  }
};

/// The slope where x = target is 0, as in PyTorch.
struct AbsoluteErrorBackward {
  const float* x;
  const float* target;
  float slope;
  float* dx;
  TESSERA_HOST_DEVICE void operator()(Index i) const {
    dx[i] = x[i] > target[i] ? slope : x[i] < target[i] ? -slope : 0.0F;
  }
};

struct ValueTerm {
  const float* x;
  TESSERA_HOST_DEVICE double operator()(Index /*output*/, Index i) const { return static_cast<double>(x[i]); }
};

struct SquareTerm {
  const float* x;
  TESSERA_HOST_DEVICE double operator()(Index /*output*/, Index i) const {
    return static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
};

template <class System>
struct LossesOps {
  /// y = z + sg(zq - z), whose value is zq. Bengio et al. 2013, arXiv:1308.3432.
  static void straight_through(View<const float> z, View<const float> zq, View<float> y) {
    launch<System>(size(z), CopyValue{zq.data(), y.data()});
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
    launch<System>(size(z), QuantizerLossBackward{z.data(), zq.data(), mean_slope(2 * codebook_weight, z),
                                                  mean_slope(2 * commitment_weight, z), dz.data(), dzq.data()});
  }

  static double squared_error(View<const float> x, View<const float> target) {
    return thrust_detail::sum<System>(size(x), SquaredErrorTerm{x.data(), target.data()}) / count(x);
  }
  static void squared_error_backward(View<const float> x, View<const float> target, double weight, View<float> dx) {
    launch<System>(size(x), SquaredErrorBackward{x.data(), target.data(), mean_slope(2 * weight, x), dx.data()});
  }

  static double absolute_error(View<const float> x, View<const float> target) {
    return thrust_detail::sum<System>(size(x), AbsoluteErrorTerm{x.data(), target.data()}) / count(x);
  }
  static void absolute_error_backward(View<const float> x, View<const float> target, double weight, View<float> dx) {
    launch<System>(size(x), AbsoluteErrorBackward{x.data(), target.data(), mean_slope(weight, x), dx.data()});
  }

  static double sum(View<const float> x) { return thrust_detail::sum<System>(size(x), ValueTerm{x.data()}); }
  static double sum_of_squares(View<const float> x) {
    return thrust_detail::sum<System>(size(x), SquareTerm{x.data()});
  }

 private:
  static Index size(View<const float> x) { return static_cast<Index>(x.size()); }
  static double count(View<const float> x) { return static_cast<double>(x.size()); }
  static float mean_slope(double weight, View<const float> x) { return static_cast<float>(weight / count(x)); }
};

}  // namespace tessera::thrust_detail
