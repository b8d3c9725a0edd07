// y = residual + c_proj(gelu(c_fc(x))), exact GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415).
#pragma once

#include <algorithm>

#include <tessera/nn/linear.hpp>

namespace tessera {

template <Index D, Index ratio>
struct Mlp {
  static constexpr Index Hidden = D * ratio;
  using Expand = Linear<D, Hidden>;
  using Project = Linear<Hidden, D>;

  template <class T>
  struct Tensors {
    typename Expand::template Tensors<T> c_fc{};
    typename Project::template Tensors<T> c_proj{};

    constexpr void visit(auto& v) {
      v.nested("c_fc", c_fc);
      v.nested("c_proj", c_proj);
    }
  };

  template <class S>
  struct Saved {
    View<S> hidden{};      // [rows, Hidden], after GELU
    View<S> gelu_slope{};  // [rows, Hidden], its slope there; empty where there is no backward

    constexpr void visit(auto& v, Index rows, bool training) {
      v(hidden, rows * Hidden);
      if (training) v(gelu_slope, rows * Hidden);
    }
  };

  template <Backend B, class T, class S = typename B::Scalar>
  static void forward(const Tensors<T>& w, Index rows, View<const S> x, View<const S> residual, View<S> y,
                      const Saved<S>& saved) {
    Expand::template forward<B>(w.c_fc, rows, x, saved.hidden, {.gelu = true, .gelu_slope = saved.gelu_slope});
    Project::template forward<B>(w.c_proj, rows, View<const S>(saved.hidden), y, {.residual = residual});
  }

  template <class S>
  struct Scratch {
    View<S> dhidden{};   // [rows, Hidden]
    View<S> products{};  // linear_backward_weight's

    template <Backend B>
    constexpr void visit(auto& v, Index rows) {
      v(dhidden, rows * Hidden);
      v(products, std::max(Expand::template scratch<B>(rows), Project::template scratch<B>(rows)));
    }
  };

  /// dy [rows, D] -> dx [rows, D], overwritten. Adds to the gradients d. The residual's gradient is dy itself.
  template <Backend B, class T, class S = typename B::Scalar>
  static void backward(const Tensors<T>& w, Index rows, View<const S> x, const Saved<S>& saved, View<const S> dy,
                       View<S> dx, const Scratch<S>& scratch, const Tensors<Wide<S>>& d) {
    const View<const S> dhidden = scratch.dhidden;
    Project::template backward_weight<B>(rows, View<const S>(saved.hidden), dy, scratch.products, d.c_proj);
    Project::template backward_input<B>(w.c_proj, rows, dy, scratch.dhidden, {.gelu_slope = saved.gelu_slope});
    Expand::template backward_weight<B>(rows, x, dhidden, scratch.products, d.c_fc);
    Expand::template backward_input<B>(w.c_fc, rows, dhidden, dx);
  }
};

}  // namespace tessera
