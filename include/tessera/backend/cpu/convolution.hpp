// 3 x 3 convolution of feature maps [batch, H, W, channels], stride 1, zero padding 1, and its two gradients. There is
// no copy of a map: the three neighbouring pixels that one row of the window covers are 3 * In consecutive values, and
// the next pixel's begin In further. So a register tile of neighbouring pixels reads them where they lie. Rows and
// columns of the window that lie outside the image are left out.
//
// Every sum runs over the window's rows, its columns and the channels, in this order, from bias, one fused multiply-add
// after the other; the residual is added last.
#pragma once

#include <algorithm>

#include <tessera/backend/cpu/convolution_weight_gradient.hpp>
#include <tessera/backend/cpu/linear.hpp>

namespace tessera::cpu_detail {

/// Where weight(k, j, tap) lies: channel k of the maps that are read, channel j of those that are written.
struct WindowWeights {
  const float* data;
  Index k_stride;
  Index j_stride;
  Index first_tap;
  Index tap_step;  // -1 turns the window by half a turn
};

/// packed = panels [9 * depth, tile_columns] of the weights, a panel's rows by tap, then by channel.
template <class Arch>
void pack_window(Index depth, Index columns, WindowWeights weights, float* packed) {
  constexpr Index width = tile_columns<Arch>;
  parallel_for(panel_count<Arch>(columns), [=](Index p) {
    const Index first = p * width;
    float* const panel = packed + first * 9 * depth;
    std::fill_n(panel, 9 * depth * width, 0.0F);
    for (Index k = 0; k < depth; ++k) {
      for (Index j = 0; j < std::min(width, columns - first); ++j) {
        const float* const from = weights.data + k * weights.k_stride + (first + j) * weights.j_stride;
        for (Index tap = 0; tap < 9; ++tap) {
          panel[(tap * depth + k) * width + j] = from[weights.first_tap + tap * weights.tap_step];
        }
      }
    }
  });
}

/// Neighbouring pixels of one row of the batch's images; a row's tiles are divided evenly.
struct PixelTile {
  Index row;  // of batch * height
  Index column;
  Index pixels;
};

template <class Arch>
constexpr PixelTile pixel_tile(Index width, Index tile) {
  const Index tiles = ceil_div(width, tile_rows<Arch>);
  const Index column = tile_begin<Arch>(width, tile % tiles);
  return {tile / tiles, column, tile_begin<Arch>(width, tile % tiles + 1) - column};
}

/// A part [k, k + depth) of the window's 9 * in values, all of which the same pixels of a tile see inside the image.
struct WindowPart {
  Index k, depth;
  Index first, pixels;  // of the tile
};

/// Calls f(WindowPart) for [k, end): once, or, where the first or last pixel of the tile sees columns outside the
/// image, between those.
template <class F>
void for_each_window_part(const ConvolutionSizes& s, const PixelTile& tile, Index k, Index end, const F& f) {
  const Index h = tile.row % s.height;
  if (h == 0) k = std::max(k, 3 * s.in);
  if (h + 1 == s.height) end = std::min(end, 6 * s.in);
  const bool at_left = tile.column == 0;
  const bool at_right = tile.column + tile.pixels == s.width;
  if (!at_left && !at_right) {
    if (k < end) f(WindowPart{k, end - k, 0, tile.pixels});
    return;
  }
  while (k < end) {
    const Index tap = k / s.in;
    const Index first = at_left && tap % 3 == 0 ? 1 : 0;                            // its neighbour is outside
    const Index pixels = tile.pixels - first - (at_right && tap % 3 == 2 ? 1 : 0);  // so is the last one's
    const Index stop = std::min(end, (tap + 1) * s.in);
    if (pixels > 0) f(WindowPart{k, stop - k, first, pixels});
    k = stop;
  }
}

/// sums [rows, tile_columns] = bias [columns], or 0 for nullptr and behind the last column.
template <class Arch>
void start_sums(const float* bias, Index rows, Index columns, float* sums) {
  constexpr Index width = tile_columns<Arch>;
  alignas(alignment) float start[width] = {};
  if (bias != nullptr) std::copy_n(bias, columns, start);
  for (Index j = 0; j < width; j += lanes) {
    const Lanes<Arch> values = Lanes<Arch>::load(start + j);
    for (Index i = 0; i < rows; ++i) values.store(sums + i * width + j);
  }
}

/// y = residual + conv(x) + bias; bias and residual may be null.
template <class Arch>
void convolve(const ConvolutionSizes& s, Index batch, const float* x, const float* packed, const float* bias,
              const float* residual, float* y) {
  constexpr Index width = tile_columns<Arch>;
  constexpr Index height = tile_rows<Arch>;
  const Index tiles = batch * s.height * ceil_div(s.width, height);
  for_each_product_tile<Arch>(tiles * height, 9 * s.in, s.in, s.out, packed, [=](const ProductTile& t) {
    const PixelTile tile = pixel_tile<Arch>(s.width, t.tile);
    const Index pixel = tile.row * s.width + tile.column;
    const float* const added = offset_or_null(residual, pixel * s.out + t.column);
    float* const to = y + pixel * s.out + t.column;
    if (t.starts) start_sums<Arch>(offset_or_null(bias, t.column), tile.pixels, t.columns, t.sums);
    Prefetch next = t.prefetch;
    next.output_stride = s.out;
    if (t.ends) {
      next.output = to;
      if (added != nullptr) fetch_tile(added, s.out, tile.pixels, t.columns);
    }
    for_each_window_part(s, tile, t.k, t.k + t.depth, [&](const WindowPart& part) {
      // The neighbour in the window's upper left is width + 1 pixels back; from row to row of the window are width.
      const Index run = 3 * s.in;
      const Index row = part.k / run;
      const Index from = (pixel + part.first + (row - 1) * s.width - 1) * s.in + part.k - row * run;
      float* const c = t.sums + part.first * width;
      multiply_tile<Arch>(part.pixels, ceil_div(t.columns, lanes) * lanes, part.depth, {x + from, s.in, 1},
                          {t.right + (part.k - t.k) * width, width}, {c, width}, c, width, next,
                          {(row + 1) * run - part.k, run, (s.width - 3) * s.in});
      next.data += ceil_div(part.depth, prefetch_steps) * next.lines * line;
      next.output = nullptr;
    });
    if (!t.ends) return;
    for_each_sum<Arch>(
        tile.pixels, t.columns, s.out, t.sums, [=](Index at, auto n, Lanes<Arch> value) __attribute__((always_inline)) {
          if (added != nullptr) value = load<Arch>(added + at, n) + value;
          store<Arch>(value, to + at, n);
        });
  });
}

template <class Arch>
struct ConvolutionOps {
  template <Index In, Index Out>
  static constexpr Index packed_convolution_size(Shape<In, Out>) {
    return std::max(packed_size<Arch>(9 * In, Out), packed_size<Arch>(9 * Out, In));
  }

  template <Index In, Index Out>
  static void pack_convolution(Shape<In, Out>, View<const float> weight, View<float> packed) {
    pack_window<Arch>(In, Out, {weight.data(), 9, 9 * In, 0, 1}, packed.data());
  }

  /// dx is dy's convolution with the window turned by half a turn and the channels exchanged.
  template <Index In, Index Out>
  static void pack_convolution_transposed(Shape<In, Out>, View<const float> weight, View<float> packed) {
    pack_window<Arch>(Out, In, {weight.data(), 9 * In, 9, 8, -1}, packed.data());
  }

  template <Index H, Index W, Index In, Index Out>
  static void convolution(Shape<H, W, In, Out>, Index batch, View<const float> x, View<const float> packed,
                          View<const float> bias, View<const float> residual, View<float> y) {
    convolve<Arch>({H, W, In, Out}, batch, x.data(), packed.data(), data_or_null(bias), data_or_null(residual),
                   y.data());
  }

  template <Index H, Index W, Index In, Index Out>
  static void convolution_backward_input(Shape<H, W, In, Out>, Index batch, View<const float> dy,
                                         View<const float> packed_transposed, View<float> dx) {
    convolve<Arch>({H, W, Out, In}, batch, dy.data(), packed_transposed.data(), nullptr, nullptr, dx.data());
  }

  template <Index H, Index W, Index In, Index Out>
  static constexpr Index convolution_backward_scratch(Shape<H, W, In, Out>, Index /*batch*/) {
    return WeightGradientScratch<Arch>({H, W, In, Out}).size;
  }

  template <Index H, Index W, Index In, Index Out>
  static void convolution_backward_weight(Shape<H, W, In, Out>, Index batch, View<const float> x, View<const float> dy,
                                          View<float> scratch, View<float> dweight, View<float> dbias) {
    add_convolution_gradients<Arch>({H, W, In, Out}, batch, x.data(), dy.data(), scratch.data(), dweight.data(),
                                    data_or_null(dbias));
  }
};

}  // namespace tessera::cpu_detail
