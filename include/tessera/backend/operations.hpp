// Small argument structs that every backend's operations share.
#pragma once

#include <cmath>

#include <tessera/core/types.hpp>

namespace tessera {

/// Statistics, and in training gradients, moments and the weights that are updated: in S itself, or, where S is a
/// format of half the precision, in float.
template <class S>
struct WideOf {
  using type = S;
};
template <class S>
using Wide = typename WideOf<S>::type;

/// What `linear` does with each product before it stores it:
///   pre = x W^T + bias;  y = residual + (gelu ? gelu(pre) : pre).
template <class S>
struct LinearEpilogue {
  View<const S> bias{};      // [Out] or empty
  bool gelu = false;         // exact: x * (1 + erf(x / sqrt(2))) / 2
  View<S> gelu_slope{};      // [rows, Out] or empty; where gelu: receives gelu'(pre), for the backward pass
  View<const S> residual{};  // [rows, Out] or empty; may be y itself
};

/// What `linear_backward_input` does: dx = residual + (dy W) * gelu_slope.
template <class S>
struct LinearBackwardEpilogue {
  View<const S> gelu_slope{};  // [rows, In] or empty: what linear wrote beside x = gelu(pre)
  View<const S> residual{};    // [rows, In] or empty; may be dx itself
};

/// Row (b, r) of a batch of row blocks is row b * per_image + first + r * step of `data`.
/// per_image = 0 shares rows between images; step = 0 repeats one row.
template <class T>
struct RowBlock {
  View<T> data;
  Index per_image = 0;
  Index first = 0;
  Index step = 1;
};

/// One AdamW update (Loshchilov and Hutter 2019, arXiv:1711.05101), as torch.optim.AdamW computes it.
struct AdamWStep {
  double learning_rate;
  double beta1;
  double beta2;
  double eps;
  double weight_decay;    // 0 for tensors without decay
  double gradient_scale;  // the clipping factor: the gradient is multiplied by it first
  std::int64_t step;      // from 1, for the bias correction
};

/// What an update multiplies every value by, made once in double for the backends in float32:
///   m = beta1 m + new1 g;  v = beta2 v + new2 g^2;  p = decay p - move m / (sqrt(v) root_correction + eps),
/// with g = scale gradient.
struct AdamWFactors {
  float scale, beta1, new1, beta2, new2, root_correction, eps, decay, move;

  explicit AdamWFactors(const AdamWStep& step)
      : scale(static_cast<float>(step.gradient_scale)),
        beta1(static_cast<float>(step.beta1)),
        new1(static_cast<float>(1 - step.beta1)),
        beta2(static_cast<float>(step.beta2)),
        new2(static_cast<float>(1 - step.beta2)),
        root_correction(static_cast<float>(1 / std::sqrt(1 - std::pow(step.beta2, static_cast<double>(step.step))))),
        eps(static_cast<float>(step.eps)),
        decay(static_cast<float>(1 - step.learning_rate * step.weight_decay)),
        move(static_cast<float>(step.learning_rate / (1 - std::pow(step.beta1, static_cast<double>(step.step))))) {}
};

/// Codebook and commitment terms before any weight: mean((sg(z) - zq)^2), mean((z - sg(zq))^2).
template <class A>
struct QuantizerLoss {
  A codebook;
  A commitment;
};

}  // namespace tessera
