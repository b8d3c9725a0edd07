// y = (x - mean) * rstd * weight + bias, row by row; biased variance, eps 1e-5. Ba et al. 2016, arXiv:1607.06450.
#pragma once

#include <tessera/backend/concept.hpp>
#include <tessera/core/layout.hpp>

namespace tessera {

template <Index D>
struct LayerNorm {
  static_assert(D > 0, "LayerNorm: width is 0; set the Config's dim.");

  template <class T>
  struct Tensors {
    View<T> weight{}, bias{};  // [D]

    constexpr void visit(auto& v) {
      v.tensor("weight", weight, {D});
      v.tensor("bias", bias, {D});
    }
  };

  /// What backward needs beside x; empty views where there is no backward.
  template <class S>
  struct Saved {
    View<Wide<S>> mean{}, rstd{};  // [rows]

    constexpr void visit(auto& v, Index rows) {
      v(mean, rows);
      v(rstd, rows);
    }
  };

  /// x, y: [rows, D]; keep x for backward.
  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index rows, View<const S> x, View<S> y, const Saved<S>& saved) {
    B::layer_norm(shape<D>, rows, x, w.weight, w.bias, y, saved.mean, saved.rstd);
  }

  /// Adds to dx and to the gradients d.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward(const Tensors<T>& w, Index rows, View<const S> x, const Saved<S>& saved, View<const S> dy,
                       View<S> dx, const Tensors<Wide<S>>& d) {
    B::layer_norm_backward(shape<D>, rows, x, w.weight, saved.mean, saved.rstd, dy, dx, d.weight, d.bias);
  }
};

}  // namespace tessera
