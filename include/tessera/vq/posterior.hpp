// Continuous latents: a token is a draw from a diagonal Gaussian whose mean and log-variance the encoder puts out, held
// near the unit Gaussian by the Kullback-Leibler divergence (Kingma and Welling 2014, arXiv:1312.6114).
#pragma once

#include <tessera/backend/concept.hpp>
#include <tessera/core/layout.hpp>

namespace tessera {

/// Has the parts of a Quantizer (vq/quantizer.hpp), whose place it takes.
template <Index C>
struct Posterior {
  static_assert(C > 0, "Posterior: latents of no values; set Config::code_dim.");

  /// Nothing: there is no codebook to prepare.
  template <class S>
  struct Codes {
    template <Backend B>
    constexpr void visit(auto& /*v*/) {}
  };

  template <class S>
  struct Saved {
    View<S> z{};         // [rows, C], the latents drawn
    View<Wide<S>> kl{};  // [rows], divergence from the unit Gaussian

    constexpr void visit(auto& v, Index rows) {
      v(z, rows * C);
      v(kl, rows);
    }
  };

  /// parameters [rows, 2 C], noise [rows, C] of standard normal numbers -> saved.z: mean + deviation * noise, or, where
  /// the noise is empty, the mean.
  template <Backend B, class S = typename B::Scalar>
  static void sample(Index rows, View<const S> parameters, View<const S> noise, const Saved<S>& saved) {
    B::gaussian_sample(shape<C>, rows, parameters, noise, saved.z);
  }

  /// The sum of the rows' divergences from the unit Gaussian.
  template <Backend B, class S = typename B::Scalar>
  static typename B::Accumulator kl(Index rows, View<const S> parameters, const Saved<S>& saved) {
    B::gaussian_kl(shape<C>, rows, parameters, saved.kl);
    return B::sum(first(View<const Wide<S>>(saved.kl), rows));
  }

  template <class S>
  struct Scratch {
    View<S> dparameters{};  // [rows, 2 C]

    constexpr void visit(auto& v, Index rows) { v(dparameters, rows * 2 * C); }
  };

  /// dz [rows, C], the gradient of the latents drawn, and kl_weight * that of the divergence -> scratch.dparameters.
  template <Backend B, class S = typename B::Scalar>
  static void backward(Index rows, View<const S> parameters, View<const S> noise, View<const S> dz, double kl_weight,
                       const Scratch<S>& scratch) {
    B::gaussian_backward(shape<C>, rows, parameters, noise, dz, kl_weight, scratch.dparameters);
  }
};

}  // namespace tessera
