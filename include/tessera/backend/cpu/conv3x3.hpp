// 3 x 3 convolution with zero padding 1 and as many channels out as in, sixteen columns at a time:
// y[o] = bias[o] + sum over c, rows i and columns j of the window of weight[o, c, i, j] * x[c], added in this order.
#pragma once

#include <algorithm>
#include <array>

#include <tessera/backend/cpu/loops.hpp>

namespace tessera::cpu_detail {

template <class Arch>
struct Conv3x3Ops {
  using V = Lanes<Arch>;

  template <Index C, Index H, Index W>
  static void conv3x3(Shape<C, H, W> sizes, Index batch, View<const float> x, View<const float> weight,
                      View<const float> bias, View<float> y) {
    convolve(sizes, batch, x.data(), Taps{weight.data(), 9 * C, 9, 1}, bias.data(), y.data());
  }

  /// Overwrites dx; adds to dweight and dbias.
  template <Index C, Index H, Index W>
  static void conv3x3_backward(Shape<C, H, W> sizes, Index batch, View<const float> x, View<const float> weight,
                               View<const float> dy, View<float> dx, View<float> dweight, View<float> dbias) {
    // dx is dy's convolution with the window turned by half a turn and the channels exchanged.
    convolve(sizes, batch, dy.data(), Taps{weight.data() + 8, 9, 9 * C, -1}, nullptr, dx.data());
    parallel_for(C * C * 3, [&](Index i) {
      add_weight_gradient(sizes, batch, x.data(), dy.data(), i / (3 * C), i / 3 % C, i % 3, dweight.data() + 3 * i);
    });
    parallel_for(C, [&](Index o) { dbias[o] += sum_of_channel(sizes, batch, dy.data(), o); });
  }

 private:
  /// weight(o, c, t) of output channel, input channel and tap of the window, t = 3 i + j
  struct Taps {
    const float* data;
    Index output_stride;
    Index input_stride;
    Index tap_stride;
    float operator()(Index o, Index c, Index t) const {
      return data[o * output_stride + c * input_stride + t * tap_stride];
    }
  };
  static constexpr Index outputs = 4;  // channels that share the loads of x

  /// row[w .. w + 16), zero where that is outside the picture.
  template <Index W>
  [[gnu::always_inline]] static V load_columns(const float* row, Index w) {
    if (w >= 0 && w + lanes <= W) return V::load(row + w);
    alignas(64) float values[lanes];
    for (Index i = 0; i < lanes; ++i) values[i] = w + i >= 0 && w + i < W ? row[w + i] : 0.0F;
    return V::load(values);
  }

  template <Index C, Index H, Index W>
  static void convolve(Shape<C, H, W>, Index batch, const float* x, Taps taps, const float* bias, float* y) {
    parallel_ranges(batch * H, C * W, [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) {
        const float* image = x + r / H * C * H * W;
        float* to = y + r / H * C * H * W;
        Index o = 0;
        for (; o + outputs <= C; o += outputs) convolve_row<C, H, W, outputs>(image, r % H, o, taps, bias, to);
        if constexpr (C % outputs > 0) convolve_row<C, H, W, C % outputs>(image, r % H, o, taps, bias, to);
      }
    });
  }

  /// Row h of the `count` output channels from `first` on.
  template <Index C, Index H, Index W, Index count>
  static void convolve_row(const float* x, Index h, Index first, const Taps& taps, const float* bias, float* y) {
    const Index top = h == 0 ? 1 : 0;
    const Index bottom = h == H - 1 ? 2 : 3;
    for (Index w = 0; w < W; w += lanes) {
      std::array<V, static_cast<std::size_t>(count)> sum;
      for (Index o = 0; o < count; ++o) at(sum, o) = V::broadcast(bias == nullptr ? 0.0F : bias[first + o]);
      for (Index c = 0; c < C; ++c) {
        for (Index i = top; i < bottom; ++i) {
          const float* row = x + (c * H + h + i - 1) * W;
          for (Index j = 0; j < 3; ++j) {
            const V values = load_columns<W>(row, w + j - 1);
            for (Index o = 0; o < count; ++o) {
              at(sum, o) = fma(V::broadcast(taps(first + o, c, 3 * i + j)), values, at(sum, o));
            }
          }
        }
      }
      for (Index o = 0; o < count; ++o) {
        float* to = y + ((first + o) * H + h) * W + w;
        w + lanes <= W ? at(sum, o).store(to) : at(sum, o).store_partial(to, W - w);
      }
    }
  }
  template <std::size_t count>
  [[gnu::always_inline]] static V& at(std::array<V, count>& values, Index i) {
    return values[static_cast<std::size_t>(i)];
  }

  /// dweight[o, c, i, 0 .. 3) += sum of x[c, h + i - 1, w + j - 1] dy[o, h, w]: images in float, their sums in double.
  template <Index C, Index H, Index W>
  static void add_weight_gradient(Shape<C, H, W>, Index batch, const float* x, const float* dy, Index o, Index c,
                                  Index i, float* dweight) {
    std::array<double, 3> total{};
    for (Index b = 0; b < batch; ++b) {
      const float* from = x + (b * C + c) * H * W;
      const float* slope = dy + (b * C + o) * H * W;
      V left = V::broadcast(0.0F);
      V middle = left;
      V right = left;
      for (Index h = std::max<Index>(0, 1 - i); h < std::min(H, H + 1 - i); ++h) {
        const float* row = from + (h + i - 1) * W;
        for (Index w = 0; w < W; w += lanes) {
          const V values = load_columns<W>(slope + h * W, w);
          left = fma(load_columns<W>(row, w - 1), values, left);
          middle = fma(load_columns<W>(row, w), values, middle);
          right = fma(load_columns<W>(row, w + 1), values, right);
        }
      }
      total[0] += static_cast<double>(left.sum());
      total[1] += static_cast<double>(middle.sum());
      total[2] += static_cast<double>(right.sum());
    }
    for (Index j = 0; j < 3; ++j) dweight[j] += static_cast<float>(total[static_cast<std::size_t>(j)]);
  }

  template <Index C, Index H, Index W>
  static float sum_of_channel(Shape<C, H, W>, Index batch, const float* dy, Index o) {
    double total = 0;
    for (Index b = 0; b < batch; ++b) {
      const float* plane = dy + (b * C + o) * H * W;
      const auto add = [&](const V& sum, Index i, auto n) __attribute__((always_inline)) {
        return sum + load<Arch>(plane + i, n);
      };
      total += static_cast<double>(sum_vectors<Arch>(H * W, add));
    }
    return static_cast<float>(total);
  }
};

}  // namespace tessera::cpu_detail
