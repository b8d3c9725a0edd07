// y = x W^T + bias and its gradients, a tile of outputs per call: plain loops for Thrust's OpenMP system. Sums run over
// the inner index from 0 up, gradients over the rows in their order.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>
#include <tessera/backend/thrust/panels.hpp>

namespace tessera::thrust_detail {

/// GELU(x) = x * Phi(x), Phi the normal distribution function. Hendrycks and Gimpel 2016, arXiv:1606.08415.
TESSERA_HOST_DEVICE inline float normal_distribution(float x) {
  constexpr float inverse_root2 = 0.70710678F;
  return 0.5F * (1.0F + std::erf(x * inverse_root2));
}
/// GELU'(x) = Phi(x) + x * phi(x), phi the normal density.
TESSERA_HOST_DEVICE inline float gelu_slope(float x) {
  constexpr float density_at_0 = 0.39894228F;
  return normal_distribution(x) + x * std::exp(-0.5F * x * x) * density_at_0;
}

/// What `linear` does with a sum before it stores it.
template <class S>
struct ForwardEpilogue {
  const S* bias;      // [Out]; these three: null where absent
  S* gelu_slopes;     // [rows, Out]
  const S* residual;  // [rows, Out]
  bool gelu;
  S* y;  // [rows, Out]

  TESSERA_HOST_DEVICE void operator()(Index at, Index column, float sum) const {
    const float pre = bias == nullptr ? sum : sum + bias[column];
    if (gelu && gelu_slopes != nullptr) gelu_slopes[at] = gelu_slope(pre);
    const float value = gelu ? pre * normal_distribution(pre) : pre;
    y[at] = residual == nullptr ? value : residual[at] + value;
  }
};

/// What `linear_backward_input` does with a sum before it stores it.
template <class S>
struct BackwardEpilogue {
  const S* gelu_slopes;  // [rows, In]; these two: null where absent
  const S* residual;     // [rows, In]
  S* dx;                 // [rows, In]

  TESSERA_HOST_DEVICE void operator()(Index at, Index /*column*/, float sum) const {
    const float value = gelu_slopes == nullptr ? sum : sum * gelu_slopes[at];
    dx[at] = residual == nullptr ? value : residual[at] + value;
  }
};

/// x [rows, Depth] times panels of a [Width, Depth] matrix; one call per tile of 4 rows and 16 columns.
template <class S, Index Depth, Index Width, class Epilogue>
struct PanelProduct {
  Index rows;
  const S* x;       // [rows, Depth]
  const S* packed;  // [panels, Depth, 16]
  Epilogue epilogue;

  static constexpr Index panels = parts(Width, panel_columns);

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index panel = i % panels;
    const Index first_row = i / panels * tile_rows;
    const S* weight = packed + panel * Depth * panel_columns;
    const S* x_rows[tile_rows];  // past the end, the last row again
    for (Index r = 0; r < tile_rows; ++r) x_rows[r] = x + smaller(first_row + r, rows - 1) * Depth;
    float sums[tile_rows][panel_columns] = {};
    for (Index d = 0; d < Depth; ++d) {
      for (Index r = 0; r < tile_rows; ++r) {
        for (Index c = 0; c < panel_columns; ++c) sums[r][c] += x_rows[r][d] * weight[d * panel_columns + c];
      }
    }
    for (Index r = first_row; r < smaller(first_row + tile_rows, rows); ++r) {
      for (Index c = panel * panel_columns; c < smaller((panel + 1) * panel_columns, Width); ++c) {
        epilogue(r * Width + c, c, sums[r - first_row][c % panel_columns]);
      }
    }
  }
};

/// dweight [Out, In] += dy^T x; one call per tile of 4 outputs and 16 inputs.
template <class S, Index In, Index Out>
struct WeightGradient {
  Index rows;
  const S* x;      // [rows, In]
  const S* dy;     // [rows, Out]
  float* dweight;  // [Out, In]

  static constexpr Index panels = parts(In, panel_columns);
  static constexpr Index tiles = parts(Out, tile_rows) * panels;

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index o = i / panels * tile_rows;
    const Index in = i % panels * panel_columns;
    if (o + tile_rows <= Out && in + panel_columns <= In) {
      add<tile_rows, panel_columns>(o, in);
      return;
    }
    for (Index a = o; a < smaller(o + tile_rows, Out); ++a) {
      for (Index b = in; b < smaller(in + panel_columns, In); ++b) add<1, 1>(a, b);
    }
  }

 private:
  template <Index outs, Index ins>
  TESSERA_HOST_DEVICE void add(Index o, Index in) const {
    float sums[outs][ins];
    for (Index a = 0; a < outs; ++a) {
      for (Index b = 0; b < ins; ++b) sums[a][b] = dweight[(o + a) * In + in + b];
    }
    for (Index r = 0; r < rows; ++r) {
      for (Index a = 0; a < outs; ++a) {
        const float slope = dy[r * Out + o + a];
        for (Index b = 0; b < ins; ++b) sums[a][b] += slope * x[r * In + in + b];
      }
    }
    for (Index a = 0; a < outs; ++a) {
      for (Index b = 0; b < ins; ++b) dweight[(o + a) * In + in + b] = sums[a][b];
    }
  }
};

/// dbias[o] += the sum of dy's column o.
template <class S, Index Out>
struct BiasGradient {
  Index rows;
  const S* dy;   // [rows, Out]
  float* dbias;  // [Out]

  TESSERA_HOST_DEVICE void operator()(Index o) const {
    float sum = dbias[o];
    for (Index r = 0; r < rows; ++r) sum += dy[r * Out + o];
    dbias[o] = sum;
  }
};

template <class System>
struct LinearOps {
  using S = typename System::Scalar;

  template <Index In, Index Out>
  static constexpr Index packed_weight_size(Shape<In, Out>) {
    return larger(PackPanels<S, In, Out>::size, PackPanels<S, Out, In>::size);
  }
  template <Index In, Index Out>
  static void pack_weight(Shape<In, Out>, View<const S> weight, View<S> packed) {
    using Pack = PackPanels<S, In, Out>;
    launch<System>(Pack::size, Pack{weight.data(), In, 1, packed.data()});
  }
  template <Index In, Index Out>
  static void pack_weight_transposed(Shape<In, Out>, View<const S> weight, View<S> packed) {
    using Pack = PackPanels<S, Out, In>;
    launch<System>(Pack::size, Pack{weight.data(), 1, In, packed.data()});
  }

  template <Index In, Index Out>
  static void linear(Shape<In, Out>, Index rows, View<const S> x, View<const S> packed, LinearEpilogue<S> epilogue,
                     View<S> y) {
    product<In, Out>(rows, x, packed,
                     ForwardEpilogue<S>{optional(epilogue.bias), optional(epilogue.gelu_slope),
                                        optional(epilogue.residual), epilogue.gelu, y.data()});
  }
  template <Index In, Index Out>
  static void linear_backward_input(Shape<In, Out>, Index rows, View<const S> dy, View<const S> packed,
                                    LinearBackwardEpilogue<S> epilogue, View<S> dx) {
    product<Out, In>(rows, dy, packed,
                     BackwardEpilogue<S>{optional(epilogue.gelu_slope), optional(epilogue.residual), dx.data()});
  }

  template <Index In, Index Out>
  static constexpr Index linear_backward_scratch(Shape<In, Out>, Index /*rows*/) {
    return 0;
  }
  template <Index In, Index Out>
  static void linear_backward_weight(Shape<In, Out>, Index rows, View<const S> x, View<const S> dy, View<S> /*scratch*/,
                                     View<Wide<S>> dweight, View<Wide<S>> dbias) {
    using Gradient = WeightGradient<S, In, Out>;
    launch<System>(Gradient::tiles, Gradient{rows, x.data(), dy.data(), dweight.data()});
    if (!dbias.empty()) launch<System>(Out, BiasGradient<S, Out>{rows, dy.data(), dbias.data()});
  }

 private:
  template <Index Depth, Index Width, class Epilogue>
  static void product(Index rows, View<const S> x, View<const S> packed, Epilogue epilogue) {
    using Product = PanelProduct<S, Depth, Width, Epilogue>;
    launch<System>(ceil_div(rows, tile_rows) * Product::panels, Product{rows, x.data(), packed.data(), epilogue});
  }
};

}  // namespace tessera::thrust_detail
