// Resizing with the very pixels of Pillow 13's Image.resize (libImaging/Resample.c): antialiased, in 8-bit fixed point,
// the horizontal pass first, or the vertical one where the height loses more than twice as many pixels as the width.
// Models were trained on these pixels; a different filter is a different input. Pillow up to 12 always began with the
// horizontal pass: some pixels of tall images differ by 1 there, and all others agree.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/core/types.hpp>
#include <tessera/data/pixels.hpp>

namespace tessera {

enum class Filter { bilinear, bicubic, lanczos };

namespace detail {

/// Half the filter's width at scale 1, in source pixels.
inline double filter_support(Filter filter) {
  return filter == Filter::bilinear ? 1.0 : filter == Filter::bicubic ? 2.0 : 3.0;
}

/// In the order of operations of Resample.c: the last bit decides how a coefficient is rounded.
inline double filter_value(Filter filter, double x) {
  const auto sinc = [](double t) {
    if (t == 0.0) return 1.0;
    t *= std::numbers::pi;
    return std::sin(t) / t;
  };
  if (filter == Filter::lanczos) return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
  x = std::abs(x);
  if (filter == Filter::bilinear) return x < 1.0 ? 1.0 - x : 0.0;
  constexpr double a = -0.5;  // Keys' bicubic convolution
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

/// 8 bits are the sample, 2 are headroom for filters that overshoot.
inline constexpr int resize_precision_bits = 32 - 8 - 2;

/// The source pixels and fixed-point weights of a run of output pixels along one axis.
struct ResizeWeights {
  std::vector<Index> first, count;    // per output pixel
  std::vector<std::int32_t> weights;  // [output pixels, stride]
  Index stride = 0;
};

/// Weights of outputs [begin, begin + count) when `in` pixels become `out`; precompute_coeffs and
/// normalize_coeffs_8bpc.
inline ResizeWeights resize_weights(Filter filter, Index in, Index out, Index begin, Index count) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double filter_scale = std::max(scale, 1.0);
  const double support = filter_support(filter) * filter_scale;
  const double inverse_filter_scale = 1.0 / filter_scale;
  ResizeWeights result;
  result.stride = static_cast<Index>(std::ceil(support)) * 2 + 1;
  result.weights.resize(static_cast<std::size_t>(count * result.stride));
  std::vector<double> exact(static_cast<std::size_t>(result.stride));
  for (Index i = 0; i < count; ++i) {
    const double center = (static_cast<double>(begin + i) + 0.5) * scale;
    const Index first = std::max<Index>(static_cast<Index>(center - support + 0.5), 0);
    const Index taps = std::min(static_cast<Index>(center + support + 0.5), in) - first;
    double sum = 0.0;
    for (Index t = 0; t < taps; ++t) {
      exact[static_cast<std::size_t>(t)] =
          filter_value(filter, (static_cast<double>(t + first) - center + 0.5) * inverse_filter_scale);
      sum += exact[static_cast<std::size_t>(t)];
    }
    for (Index t = 0; t < taps; ++t) {
      double weight = exact[static_cast<std::size_t>(t)];
      if (sum != 0.0) weight /= sum;
      weight *= 1 << resize_precision_bits;
      result.weights[static_cast<std::size_t>(i * result.stride + t)] =
          static_cast<std::int32_t>(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    result.first.push_back(first);
    result.count.push_back(taps);
  }
  return result;
}

inline constexpr std::int32_t resize_rounding = std::int32_t{1} << (resize_precision_bits - 1);

inline std::uint8_t resize_clip(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> resize_precision_bits, 0, 255));
}

/// One row; `channels` is a constant so that the sums stay in registers.
template <Index channels>
void resize_row(const std::uint8_t* in, std::uint8_t* out, const ResizeWeights& w, Index column_offset) {
  for (std::size_t x = 0; x < w.first.size(); ++x) {
    const std::int32_t* weight = w.weights.data() + static_cast<Index>(x) * w.stride;
    const std::uint8_t* pixel = in + (w.first[x] - column_offset) * channels;
    std::array<std::int32_t, channels> sums;
    sums.fill(resize_rounding);
    for (Index t = 0; t < w.count[x]; ++t, pixel += channels) {
      for (std::size_t c = 0; c < channels; ++c) sums[c] += weight[t] * pixel[c];
    }
    for (std::size_t c = 0; c < channels; ++c) *out++ = resize_clip(sums[c]);
  }
}

/// Rows [first_row, first_row + rows) of `in`, their columns filtered. w counts columns from the source's first, of
/// which column 0 of `in` is number `column_offset`.
inline Pixels resize_horizontally(const Pixels& in, const ResizeWeights& w, Index column_offset, Index first_row,
                                  Index rows) {
  Pixels out(rows, static_cast<Index>(w.first.size()), in.channels);
  parallel_for(rows, [&](Index y) {
    if (in.channels == 3)
      resize_row<3>(in.row(first_row + y), out.row(y), w, column_offset);
    else
      resize_row<1>(in.row(first_row + y), out.row(y), w, column_offset);
  });
  return out;
}

/// Columns [first_column, first_column + columns) of `in`, whose row 0 is row `row_offset` of the source; filtered.
inline Pixels resize_vertically(const Pixels& in, const ResizeWeights& w, Index row_offset, Index first_column,
                                Index columns) {
  Pixels out(static_cast<Index>(w.first.size()), columns, in.channels);
  const Index length = columns * in.channels;
  parallel_for(out.height, [&](Index y) {
    const auto i = static_cast<std::size_t>(y);
    std::uint8_t* row = out.row(y);
    constexpr Index block = 256;  // sums of one block stay in the first-level cache
    std::array<std::int32_t, block> sums;
    for (Index start = 0; start < length; start += block) {
      const Index n = std::min(block, length - start);
      sums.fill(resize_rounding);
      for (Index t = 0; t < w.count[i]; ++t) {
        const std::int32_t weight = w.weights[static_cast<std::size_t>(y * w.stride + t)];
        const std::uint8_t* pixel = in.row(w.first[i] - row_offset + t) + first_column * in.channels + start;
        for (Index k = 0; k < n; ++k) sums[static_cast<std::size_t>(k)] += weight * pixel[k];
      }
      for (Index k = 0; k < n; ++k) row[start + k] = resize_clip(sums[static_cast<std::size_t>(k)]);
    }
  });
  return out;
}

/// A part of the image that `in` becomes at height x width, computed without the rest.
struct Region {
  Index top, left, height, width;
};

/// Pillow 13's choice, which aims at the cheaper order.
inline bool vertical_pass_first(const Pixels& in, Index height, Index width) {
  return in.height > height && in.height - height > 2 * (in.width - width);
}

inline Pixels resize_region(const Pixels& in, Index height, Index width, Filter filter, Region part) {
  const ResizeWeights rows = resize_weights(filter, in.height, height, part.top, part.height);
  if (width == in.width) return resize_vertically(in, rows, 0, part.left, part.width);
  const ResizeWeights columns = resize_weights(filter, in.width, width, part.left, part.width);
  if (vertical_pass_first(in, height, width)) {
    const Index first_column = columns.first.front(), end_column = columns.first.back() + columns.count.back();
    const Pixels low = resize_vertically(in, rows, 0, first_column, end_column - first_column);
    return resize_horizontally(low, columns, first_column, 0, part.height);
  }
  const Index first_row = rows.first.front(), end_row = rows.first.back() + rows.count.back();
  const Pixels wide = resize_horizontally(in, columns, 0, first_row, end_row - first_row);
  return resize_vertically(wide, rows, first_row, 0, part.width);
}

inline void check_resize(const Pixels& in, Index height, Index width) {
  const auto fail = [](const std::string& found, std::string_view expected) {
    throw Error(ErrorCode::bad_argument, "resize", found, expected);
  };
  if (in.channels != 1 && in.channels != 3) fail(std::to_string(in.channels) + " channels", "1 or 3 channels");
  if (in.height <= 0 || in.width <= 0) fail("an empty image", "pixels");
  const std::string size = std::to_string(height) + " x " + std::to_string(width);
  if (height <= 0 || width <= 0) fail(size, "sizes above 0");
  if (height > static_cast<Index>(max_pixels) / width) fail(size + " pixels", "at most 2^28");
}

/// Python's round((size - crop) / 2): a half goes to the even neighbour.
inline Index center_crop_offset(Index size, Index crop) {
  const Index half = (size - crop) / 2;
  return (size - crop) % 2 == 0 || half % 2 == 0 ? half : half + 1;
}

}  // namespace detail

/// Resizes to height x width, aspect ratio aside; the pixels of Pillow 13's Image.resize((width, height), filter).
/// Throws Error(bad_argument) for empty sizes, more than 2^28 pixels, and channels other than 1 and 3.
inline Pixels resize(const Pixels& in, Index height, Index width, Filter filter) {
  detail::check_resize(in, height, width);
  return detail::resize_region(in, height, width, filter, {0, 0, height, width});
}

/// Resizes so that the image just covers height x width (for a square: the shorter edge becomes its side), the longer
/// edge truncated to an integer, then crops the centre; the pixels of torchvision's Resize and CenterCrop on Pillow
/// images. Throws like resize().
inline Pixels resize_and_crop(const Pixels& in, Index height, Index width, Filter filter) {
  detail::check_resize(in, height, width);
  const bool width_decides = width * in.height >= height * in.width;
  const Index full_height = width_decides ? width * in.height / in.width : height;
  const Index full_width = width_decides ? width : height * in.width / in.height;
  return detail::resize_region(
      in, full_height, full_width, filter,
      {detail::center_crop_offset(full_height, height), detail::center_crop_offset(full_width, width), height, width});
}

}  // namespace tessera
