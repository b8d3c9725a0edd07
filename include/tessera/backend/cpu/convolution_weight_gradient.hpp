// The weight gradient of a 3 x 3 convolution: dweight[o, i, tap] += sum over pixels of dy[pixel, o] x[pixel + tap, i],
// one matrix product a tap over the same packed pixels, moved by the tap. Every sum runs over the pixels of the batch
// in their order, one fused multiply-add after the other, from the value that it is added to: two batches' gradients
// have the bits of the concatenated batch's.
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
  const ProductTasks tasks = product_tasks<Arch>(s.out, (last - first) * s.width, (last - first) * s.width, s.in);
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
                              {x, width}, {c, c_stride}, c, c_stride, {nullptr, 0, c + layout.sum_stride, c_stride});
        }
      }
    }
  });
}

/// dweight [out, in, 9] and dbias [out], which may be null, += the gradients of maps x [batch, height, width, in] and
/// dy [batch, height, width, out].
template <class Arch>
void add_convolution_gradients(const ConvolutionSizes& s, Index batch, const float* x, const float* dy, float* scratch,
                               float* dweight, float* dbias) {
  const WeightGradientScratch<Arch> layout(s);
  const Index blocks = ceil_div(s.height, layout.rows);
  parallel_for(s.out, [&](Index o) {
    float* const sums = scratch + o * 9 * layout.sum_stride;
    transpose(s.in, 9, dweight + o * 9 * s.in, 9, 1.0F, sums, layout.sum_stride);
    for (Index tap = 0; tap < 9; ++tap) {
      std::fill(sums + tap * layout.sum_stride + s.in, sums + (tap + 1) * layout.sum_stride, 0.0F);
    }
  });
  for (Index i = 0; i < batch * blocks; ++i) {
    const Index image = i / blocks * s.height * s.width;
    const Index first = part_begin(s.height, i % blocks, blocks);
    const Index last = part_begin(s.height, i % blocks + 1, blocks);
    const float* const dy_rows = dy + (image + first * s.width) * s.out;
    pack_pixel_tiles<Arch>(last - first, s.width, s.out, dy_rows, layout.tile_size, scratch + layout.tiles);
    pack_pixel_panels<Arch>(s, first, last, x + image * s.in, layout.panel_size, scratch + layout.panels);
    add_weight_gradient<Arch>(s, layout, first, last, scratch);
    if (dbias == nullptr) continue;
    parallel_for(ceil_div(s.out, bias_outputs), [&](Index task) {
      add_bias_gradient<Arch>(task * bias_outputs, (last - first) * s.width, s.out, dy_rows, dbias);
    });
  }
  parallel_for(s.out, [&](Index o) {
    transpose(9, s.in, scratch + o * 9 * layout.sum_stride, layout.sum_stride, 1.0F, dweight + o * 9 * s.in, 9);
  });
}

}  // namespace tessera::cpu_detail
