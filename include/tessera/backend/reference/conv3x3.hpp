// 3 x 3 convolution with zero padding 1 and as many channels out as in: y[o] = bias[o] + sum over c of weight[o, c] *
// x[c].
#pragma once

#include <algorithm>

#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct Conv3x3Ops {
  template <Index C, Index H, Index W>
  static void conv3x3(Shape<C, H, W> sizes, Index batch, View<const T> x, View<const T> weight, View<const T> bias,
                      View<T> y) {
    for (Index i = 0; i < batch * C * H * W; ++i) y[i] = bias[i / (H * W) % C];
    for_each_tap(sizes, batch, [&](Index out, Index in, Index tap) { y[out] += weight[tap] * x[in]; });
  }

  template <Index C, Index H, Index W>
  static void conv3x3_backward(Shape<C, H, W> sizes, Index batch, View<const T> x, View<const T> weight,
                               View<const T> dy, View<T> dx, View<T> dweight, View<T> dbias) {
    std::fill_n(dx.data(), batch * C * H * W, T{});
    for_each_tap(sizes, batch, [&](Index out, Index in, Index tap) {
      dx[in] += weight[tap] * dy[out];
      dweight[tap] += x[in] * dy[out];
    });
    for (Index i = 0; i < batch * C * H * W; ++i) dbias[i / (H * W) % C] += dy[i];
  }

 private:
  /// f(offset in y, offset in x, offset in weight) for every product of the convolution.
  template <Index C, Index H, Index W, class F>
  static void for_each_tap(Shape<C, H, W>, Index batch, F&& f) {
    for (Index b = 0; b < batch; ++b) {
      for (Index o = 0; o < C; ++o) {
        for (Index h = 0; h < H; ++h) {
          for (Index w = 0; w < W; ++w) taps_of_pixel<C, H, W>(b, o, h, w, f);
        }
      }
    }
  }
  template <Index C, Index H, Index W, class F>
  static void taps_of_pixel(Index b, Index o, Index h, Index w, F& f) {
    for (Index c = 0; c < C; ++c) {
      for (Index i = std::max<Index>(h - 1, 0); i <= std::min(h + 1, H - 1); ++i) {
        for (Index j = std::max<Index>(w - 1, 0); j <= std::min(w + 1, W - 1); ++j) {
          f(((b * C + o) * H + h) * W + w, ((b * C + c) * H + i) * W + j,
            ((o * C + c) * 3 + i - h + 1) * 3 + j - w + 1);
        }
      }
    }
  }
};

}  // namespace tessera::reference_detail
