// y = silu(norm(x) * weight + bias) on feature maps [B, H, W, C]: the mean and the variance are those of one image's
// group of neighbouring channels (Wu and He 2018, arXiv:1803.08494), eps 1e-6; silu(x) = x * sigmoid(x). In the models
// here one never comes without the other.
#pragma once

#include <tessera/backend/concept.hpp>
#include <tessera/core/layout.hpp>

namespace tessera {

template <Index C, Index groups>
struct GroupNormSilu {
  static_assert(groups > 0 && C % groups == 0, "GroupNormSilu: the channels must be a multiple of the groups.");

  template <class T>
  struct Tensors {
    View<T> weight{}, bias{};  // [C]

    constexpr void visit(auto& v) {
      v.tensor("weight", weight, {C});
      v.tensor("bias", bias, {C});
    }
  };

  /// What backward needs beside x.
  template <class S>
  struct Saved {
    View<Wide<S>> mean{}, rstd{};  // [B, groups]

    constexpr void visit(auto& v, Index batch) {
      v(mean, batch * groups);
      v(rstd, batch * groups);
    }
  };

  /// x, y: [B, pixels, C]; keep x for backward.
  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index batch, Index pixels, View<const S> x, View<S> y,
                      const Saved<S>& saved) {
    B::group_norm_silu(shape<C, groups>, batch, pixels, x, w.weight, w.bias, y, saved.mean, saved.rstd);
  }

  /// Adds to dx and to the gradients d.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward(const Tensors<T>& w, Index batch, Index pixels, View<const S> x, const Saved<S>& saved,
                       View<const S> dy, View<S> dx, const Tensors<Wide<S>>& d) {
    B::group_norm_silu_backward(shape<C, groups>, batch, pixels, x, w.weight, w.bias, saved.mean, saved.rstd, dy, dx,
                                d.weight, d.bias);
  }
};

}  // namespace tessera
