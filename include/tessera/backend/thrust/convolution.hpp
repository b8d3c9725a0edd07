// 3 x 3 convolution of feature maps [batch, H, W, channels], stride 1, zero padding 1, and its two gradients: plain
// loops for Thrust's OpenMP system, a tile of outputs per call.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>
#include <tessera/backend/thrust/panels.hpp>

namespace tessera::thrust_detail {

/// One call per four pixels of a row and sixteen channels. packed: [9, panels]. Sums over the window, then the
/// channels.
template <class S, Index H, Index W, Index In, Index Out>
struct ConvolutionTile {
  const S* x;         // [batch, H, W, In]
  const S* packed;    // [9, panels, In, 16]
  const S* bias;      // [Out]; these two: null where absent
  const S* residual;  // [batch, H, W, Out]
  S* y;               // [batch, H, W, Out]

  static constexpr Index panels = parts(Out, panel_columns);
  static constexpr Index tiles = parts(W, tile_rows) * panels;  // of one row

  /// Image b's row h is row b * H + h of the batch.
  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index row = i / tiles, h = row % H;
    const Index first = i / panels % parts(W, tile_rows) * tile_rows;
    const Index panel = i % panels;
    float sums[tile_rows][panel_columns] = {};
    for (Index tap = 0; tap < 9; ++tap) {
      const Index window_row = tap / 3 - 1;
      if (h + window_row < 0 || h + window_row >= H) continue;
      add_tap((row + window_row) * W, first + tap % 3 - 1, packed + (tap * panels + panel) * In * panel_columns, sums);
    }
    for (Index p = 0; p < smaller(tile_rows, W - first); ++p) {
      for (Index c = 0; c < smaller(panel_columns, Out - panel * panel_columns); ++c) {
        const Index o = panel * panel_columns + c;
        const Index at = (row * W + first + p) * Out + o;
        const float sum = bias == nullptr ? sums[p][c] : sums[p][c] + bias[o];
        y[at] = residual == nullptr ? sum : residual[at] + sum;
      }
    }
  }

 private:
  /// The four pixels from column `first` on, which may lie outside the row, times one panel.
  TESSERA_HOST_DEVICE void add_tap(Index row_begin, Index first, const S* panel,
                                   float (&sums)[tile_rows][panel_columns]) const {
    bool inside[tile_rows];
    const S* pixels[tile_rows];
    for (Index p = 0; p < tile_rows; ++p) {
      inside[p] = first + p >= 0 && first + p < W;
      pixels[p] = x + (row_begin + (inside[p] ? first + p : 0)) * In;
    }
    for (Index d = 0; d < In; ++d) {
      for (Index p = 0; p < tile_rows; ++p) {
        const float value = inside[p] ? static_cast<float>(pixels[p][d]) : 0.0F;
        for (Index c = 0; c < panel_columns; ++c) sums[p][c] += value * panel[d * panel_columns + c];
      }
    }
  }
};

/// One call per window position, 4 outputs and 16 inputs. Sums image by image: in float along a row of the map, in
/// double over its rows.
template <class S, Index H, Index W, Index In, Index Out>
struct ConvolutionWeightGradient {
  Index batch;
  const S* x;      // [batch, H, W, In]
  const S* dy;     // [batch, H, W, Out]
  float* dweight;  // [Out, In, 3, 3]

  static constexpr Index panels = parts(In, panel_columns);
  static constexpr Index tiles = parts(Out, tile_rows) * panels;
  static constexpr Index calls = 9 * tiles;

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index tap = i / tiles;
    const Index o = i / panels % parts(Out, tile_rows) * tile_rows;
    const Index in = i % panels * panel_columns;
    if (o + tile_rows <= Out && in + panel_columns <= In) {
      add<tile_rows, panel_columns>(tap, o, in);
      return;
    }
    for (Index a = o; a < smaller(o + tile_rows, Out); ++a) {
      for (Index b = in; b < smaller(in + panel_columns, In); ++b) add<1, 1>(tap, a, b);
    }
  }

 private:
  template <Index outs, Index ins>
  TESSERA_HOST_DEVICE void add(Index tap, Index o, Index in) const {
    const Index down = tap / 3 - 1, right = tap % 3 - 1;
    for (Index b = 0; b < batch; ++b) {
      double image[outs][ins] = {};
      for (Index h = larger(0, -down); h < smaller(H, H - down); ++h) {
        const Index row = b * H + h;
        float sums[outs][ins] = {};
        for (Index w = larger(0, -right); w < smaller(W, W - right); ++w) {
          const S* slopes = dy + (row * W + w) * Out + o;
          const S* neighbour = x + ((row + down) * W + w + right) * In + in;
          for (Index k = 0; k < outs; ++k) {
            for (Index c = 0; c < ins; ++c) sums[k][c] += slopes[k] * neighbour[c];
          }
        }
        for (Index k = 0; k < outs; ++k) {
          for (Index c = 0; c < ins; ++c) image[k][c] += static_cast<double>(sums[k][c]);
        }
      }
      for (Index k = 0; k < outs; ++k) {
        for (Index c = 0; c < ins; ++c) dweight[((o + k) * In + in + c) * 9 + tap] += static_cast<float>(image[k][c]);
      }
    }
  }
};

/// dbias[o] += the sum of dy's channel o, image by image.
template <class S, Index pixels, Index Out>
struct ConvolutionBiasGradient {
  Index batch;
  const S* dy;   // [batch, pixels, Out]
  float* dbias;  // [Out]

  TESSERA_HOST_DEVICE void operator()(Index o) const {
    for (Index b = 0; b < batch; ++b) {
      double sum = 0;
      for (Index p = b * pixels; p < (b + 1) * pixels; ++p) sum += static_cast<double>(dy[p * Out + o]);
      dbias[o] += static_cast<float>(sum);
    }
  }
};

template <class System>
struct ConvolutionOps {
  using S = typename System::Scalar;

  template <Index In, Index Out>
  static constexpr Index packed_convolution_size(Shape<In, Out>) {
    return 9 * larger(PackPanels<S, In, Out>::size, PackPanels<S, Out, In>::size);
  }
  template <Index In, Index Out>
  static void pack_convolution(Shape<In, Out>, View<const S> weight, View<S> packed) {
    using Pack = PackPanels<S, In, Out>;
    for (Index tap = 0; tap < 9; ++tap) {
      launch<System>(Pack::size, Pack{weight.data() + tap, 9 * In, 9, packed.data() + tap * Pack::size});
    }
  }
  /// The window turned around: with it, the input's gradient is a convolution of dy.
  template <Index In, Index Out>
  static void pack_convolution_transposed(Shape<In, Out>, View<const S> weight, View<S> packed) {
    using Pack = PackPanels<S, Out, In>;
    for (Index tap = 0; tap < 9; ++tap) {
      launch<System>(Pack::size, Pack{weight.data() + 8 - tap, 9, 9 * In, packed.data() + tap * Pack::size});
    }
  }

  template <Index H, Index W, Index In, Index Out>
  static void convolution(Shape<H, W, In, Out>, Index batch, View<const S> x, View<const S> packed, View<const S> bias,
                          View<const S> residual, View<S> y) {
    using Tile = ConvolutionTile<S, H, W, In, Out>;
    launch<System>(batch * H * Tile::tiles,
                   Tile{x.data(), packed.data(), optional(bias), optional(residual), y.data()});
  }
  template <Index H, Index W, Index In, Index Out>
  static void convolution_backward_input(Shape<H, W, In, Out>, Index batch, View<const S> dy, View<const S> packed,
                                         View<S> dx) {
    convolution(shape<H, W, Out, In>, batch, dy, packed, {}, {}, dx);
  }

  template <Index H, Index W, Index In, Index Out>
  static constexpr Index convolution_backward_scratch(Shape<H, W, In, Out>, Index /*batch*/) {
    return 0;
  }
  template <Index H, Index W, Index In, Index Out>
  static void convolution_backward_weight(Shape<H, W, In, Out>, Index batch, View<const S> x, View<const S> dy,
                                          View<S> /*scratch*/, View<Wide<S>> dweight, View<Wide<S>> dbias) {
    using Gradient = ConvolutionWeightGradient<S, H, W, In, Out>;
    launch<System>(Gradient::calls, Gradient{batch, x.data(), dy.data(), dweight.data()});
    if (dbias.empty()) return;
    launch<System>(Out, ConvolutionBiasGradient<S, H * W, Out>{batch, dy.data(), dbias.data()});
  }
};

}  // namespace tessera::thrust_detail
