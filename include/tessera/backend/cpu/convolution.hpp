// 3 x 3 convolution of feature maps [batch, H, W, channels], stride 1, zero padding 1, and its two gradients. There is
// no copy of a map: the three neighbouring pixels that one row of the window covers are 3 * In consecutive values, and
// the next pixel's begin In further. So a tile of neighbouring pixels times a window row is one product of register
// tiles. Rows and columns of the window that lie outside the image are left out.
//
// Every sum runs over the window's rows, its columns and the channels, in this order, from bias, one fused multiply-add
// after the other; the residual is added last. The weight gradient's sums run over the pixels of the batch in their
// order, from the values that they are added to: two batches' gradients have the bits of the concatenated batch's.
#pragma once

#include <algorithm>

#include <tessera/backend/cpu/linear.hpp>
#include <tessera/backend/cpu/transpose.hpp>

namespace tessera::cpu_detail {

/// Maps of height x width pixels, from `in` channels to `out`.
struct ConvolutionSizes {
  Index height;
  Index width;
  Index in;
  Index out;
};

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

/// sums [pixels, tile_columns] += the products of a part [k, end) of the 3 * in values that one row of the window
/// covers. row: that row of x; panel: the weights of the window's row. Columns beside the image are left out.
template <class Arch>
void add_window_row(const ConvolutionSizes& s, const PixelTile& tile, const float* row, const float* panel, Index k,
                    Index end, Index columns, float* sums, Prefetch next) {
  constexpr Index width = tile_columns<Arch>;
  const bool at_left = tile.column == 0;
  const bool at_right = tile.column + tile.pixels == s.width;
  while (k < end) {
    const bool left_of_image = at_left && k < s.in;         // the first pixel's values are
    const bool right_of_image = at_right && k >= 2 * s.in;  // the last pixel's values are
    const Index first = left_of_image ? 1 : 0;
    const Index pixels = tile.pixels - first - (right_of_image ? 1 : 0);
    Index stop = end;
    if (at_right && !right_of_image) stop = std::min(stop, 2 * s.in);
    if (left_of_image) stop = std::min(stop, s.in);
    float* const c = sums + first * width;
    multiply_tile<Arch>(std::max<Index>(pixels, 0), columns, stop - k,
                        {row + (tile.column + first - 1) * s.in + k, s.in, 1}, {panel + k * width, width}, {c, width},
                        c, width, next);
    k = stop;
  }
}

/// y = residual + conv(x) + bias; bias and residual may be null.
template <class Arch>
void convolve(const ConvolutionSizes& s, Index batch, const float* x, const float* packed, const float* bias,
              const float* residual, float* y) {
  constexpr Index width = tile_columns<Arch>;
  constexpr Index height = tile_rows<Arch>;
  const Index tiles = batch * s.height * ceil_div(s.width, height);
  const ProductTasks tasks = product_tasks<Arch>(tiles * height, s.in, s.out);
  const Index depth = 3 * s.in;  // of one row of the window
  const Index depth_blocks = ceil_div(depth, depth_block);

  parallel_for(tasks.row_blocks * tasks.panel_groups, [&](Index task) {
    alignas(alignment) float sums[max_block_rows * width];  // [the task's tiles, tile_rows, tile_columns]
    const Index block = task / tasks.panel_groups;
    const Index group = task % tasks.panel_groups;
    const Index first_tile = part_begin(tiles, block, tasks.row_blocks);
    const Index last_tile = part_begin(tiles, block + 1, tasks.row_blocks);
    for (Index panel = part_begin(tasks.panels, group, tasks.panel_groups);
         panel < part_begin(tasks.panels, group + 1, tasks.panel_groups); ++panel) {
      const Index column = panel * width;
      const Index columns = std::min(width, s.out - column);
      alignas(alignment) float start[width] = {};
      if (bias != nullptr) std::copy_n(bias + column, columns, start);
      for (Index i = 0; i < (last_tile - first_tile) * height; ++i) std::copy_n(start, width, sums + i * width);
      for (Index i = 0; i < 3 * depth_blocks; ++i) {
        const Index window_row = i / depth_blocks;
        const Index k = part_begin(depth, i % depth_blocks, depth_blocks);
        const Index end = part_begin(depth, i % depth_blocks + 1, depth_blocks);
        const float* const b = packed + (column * 3 + window_row * width) * depth;
        for (Index t = first_tile; t < last_tile; ++t) {
          const PixelTile tile = pixel_tile<Arch>(s.width, t);
          const Index h = tile.row % s.height + window_row - 1;
          if (h < 0 || h >= s.height) continue;
          add_window_row<Arch>(s, tile, x + (tile.row + window_row - 1) * s.width * s.in, b, k, end,
                               ceil_div(columns, lanes) * lanes, sums + (t - first_tile) * height * width, {});
        }
      }
      for (Index t = first_tile; t < last_tile; ++t) {
        const PixelTile tile = pixel_tile<Arch>(s.width, t);
        const Index first = (tile.row * s.width + tile.column) * s.out + column;
        const float* const added = offset_or_null(residual, first);
        float* const to = y + first;
        for_each_sum<Arch>(
            tile.pixels, columns, s.out, sums + (t - first_tile) * height * width,
            [=](Index at, auto n, Lanes<Arch> value) __attribute__((always_inline)) {
              if (added != nullptr) value = load<Arch>(added + at, n) + value;
              store<Arch>(value, to + at, n);
            });
      }
    }
  });
}

/// Rows of a map that the weight gradient packs at a time.
constexpr Index gradient_map_rows(Index height, Index width) {
  return ceil_div(height, ceil_div(height, std::max<Index>(gradient_rows / width, 1)));
}

/// The scratch of the weight gradient: its sums, and a block of rows of one image's maps. Behind every row of a map
/// stands one pixel of zeros, which the row's window and the next row's see; so the pixels of a block, moved by a tap,
/// are one range.
template <class Arch>
struct WeightGradientScratch {
  constexpr WeightGradientScratch(const ConvolutionSizes& s)
      : sum_stride(ceil_div(s.in, lanes) * lanes),
        rows(gradient_map_rows(s.height, s.width)),
        row_pixels(s.width + 1),
        tile_size(rows * row_pixels * tile_rows<Arch>),
        panel_size((1 + (rows + 2) * row_pixels) * tile_columns<Arch>),
        tiles(s.out * 9 * sum_stride),
        panels(tiles + ceil_div(tile_size * ceil_div(s.out, tile_rows<Arch>), layout) * layout),
        size(panels + panel_size * panel_count<Arch>(s.in)) {}

  static constexpr Index layout = static_cast<Index>(alignment / sizeof(float));

  Index sum_stride;  // sums [out, 9, sum_stride], from 0 on
  Index rows;        // the most rows of a block
  Index row_pixels;
  Index tile_size;   // a tile of dy [rows, row_pixels, tile_rows]
  Index panel_size;  // a panel of x [1 + (rows + 2) * row_pixels, tile_columns], with the rows above and below
  Index tiles;       // where they begin
  Index panels;
  Index size;
};

/// tiles = rows [rows, width, out] of dy.
template <class Arch>
void pack_pixel_tiles(Index rows, Index width, Index out, const float* dy, Index tile_size, float* tiles) {
  constexpr Index height = tile_rows<Arch>;
  parallel_for(ceil_div(out, height), [=](Index tile) {
    const Index first = tile_begin<Arch>(out, tile);
    float* to = tiles + tile * tile_size;
    for (Index row = 0; row < rows; ++row) {
      const float* from = dy + row * width * out + first;
      // A tile of fewer channels takes one of the next tile's along: copies of constant size are faster.
      const bool whole = first + height <= out;
      for (Index w = 0; w < width; ++w, from += out, to += height) {
        whole ? copy_values(from, height, to) : copy_values(from, out - first, to);
      }
      std::fill_n(to, height, 0.0F);
      to += height;
    }
  });
}

/// panels = rows [first, last) of x [height, width, in]; a panel's first row is first - 1, if the image has it.
template <class Arch>
void pack_pixel_panels(const ConvolutionSizes& s, Index first, Index last, const float* x, Index panel_size,
                       float* panels) {
  constexpr Index width = tile_columns<Arch>;
  parallel_for(panel_count<Arch>(s.in), [=](Index p) {
    const Index column = p * width;
    float* const panel = panels + p * panel_size;
    const Index begin = std::max<Index>(first - 1, 0);
    std::fill_n(panel + (begin - first + 1) * (s.width + 1) * width, width, 0.0F);
    for (Index row = begin; row < std::min(last + 1, s.height); ++row) {
      float* const to = panel + (1 + (row - first + 1) * (s.width + 1)) * width;
      pack_panel<Arch>(s.width, std::min(width, s.in - column), x + row * s.width * s.in + column, s.in, to);
      std::fill_n(to + s.width * width, width, 0.0F);
    }
  });
}

/// Adds the gradient of one block of rows of one image, which lies packed in scratch, to the sums.
template <class Arch>
void add_weight_gradient(const ConvolutionSizes& s, const WeightGradientScratch<Arch>& layout, Index first, Index last,
                         float* scratch) {
  constexpr Index width = tile_columns<Arch>;
  const ProductTasks tasks = product_tasks<Arch>(s.out, (last - first) * s.width, s.in);
  parallel_for(tasks.row_blocks * tasks.panel_groups, [&](Index task) {
    const Index block = task / tasks.panel_groups;
    const Index group = task % tasks.panel_groups;
    for (Index panel = part_begin(tasks.panels, group, tasks.panel_groups);
         panel < part_begin(tasks.panels, group + 1, tasks.panel_groups); ++panel) {
      const Index column = panel * width;
      const Index columns = std::min(width, layout.sum_stride - column);
      for (Index tile = part_begin(tasks.row_tiles, block, tasks.row_blocks);
           tile < part_begin(tasks.row_tiles, block + 1, tasks.row_blocks); ++tile) {
        const Index o = tile_begin<Arch>(s.out, tile);
        for (Index tap = 0; tap < 9; ++tap) {
          // Rows of dy whose neighbours above or below exist.
          const Index begin = std::max(first, 1 - tap / 3);
          const Index pixels = (std::min(last, s.height + 1 - tap / 3) - begin) * layout.row_pixels - 1;
          if (pixels <= 0) continue;
          const float* const dy =
              scratch + layout.tiles + tile * layout.tile_size + (begin - first) * layout.row_pixels * tile_rows<Arch>;
          const float* const x = scratch + layout.panels + panel * layout.panel_size +
                                 ((begin - first + tap / 3) * layout.row_pixels + tap % 3) * width;
          float* const c = scratch + (o * 9 + tap) * layout.sum_stride + column;
          const Index c_stride = 9 * layout.sum_stride;
          multiply_tile<Arch>(tile_begin<Arch>(s.out, tile + 1) - o, columns, pixels, {dy, 1, tile_rows<Arch>},
                              {x, width}, {c, c_stride}, c, c_stride);
        }
      }
    }
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
    const ConvolutionSizes sizes{H, W, In, Out};
    const WeightGradientScratch<Arch> layout(sizes);
    const Index blocks = ceil_div(H, layout.rows);
    parallel_for(Out, [&](Index o) {  // dweight is [Out, In, 9]
      float* const sums = scratch.data() + o * 9 * layout.sum_stride;
      cpu_detail::transpose(In, 9, dweight.data() + o * In * 9, 9, 1.0F, sums, layout.sum_stride);
      for (Index tap = 0; tap < 9; ++tap)
        std::fill(sums + tap * layout.sum_stride + In, sums + (tap + 1) * layout.sum_stride, 0.0F);
    });
    for (Index b = 0; b < batch; ++b) {
      for (Index block = 0; block < blocks; ++block) {
        const Index first = part_begin(H, block, blocks);
        const Index last = part_begin(H, block + 1, blocks);
        pack_pixel_tiles<Arch>(last - first, W, Out, dy.data() + (b * H + first) * W * Out, layout.tile_size,
                               scratch.data() + layout.tiles);
        pack_pixel_panels<Arch>(sizes, first, last, x.data() + b * H * W * In, layout.panel_size,
                                scratch.data() + layout.panels);
        add_weight_gradient<Arch>(sizes, layout, first, last, scratch.data());
      }
    }
    parallel_for(Out, [&](Index o) {
      const float* const sums = scratch.data() + o * 9 * layout.sum_stride;
      cpu_detail::transpose(9, In, sums, layout.sum_stride, 1.0F, dweight.data() + o * In * 9, 9);
    });
    if (dbias.empty()) return;
    parallel_for(ceil_div(Out, bias_outputs), [&](Index i) {
      add_bias_gradient<Arch>(i * bias_outputs, batch * H * W, Out, dy.data(), dbias.data());
    });
  }
};

}  // namespace tessera::cpu_detail
