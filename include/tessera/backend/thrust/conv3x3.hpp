// 3 x 3 convolution of images [batch, C, H, W] with zero padding 1 and as many channels out as in, one call per value.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

template <class S, Index C, Index H, Index W>
struct Conv3x3 {
  const S* x;       // [batch, C, H, W]
  const S* weight;  // [C, C, 3, 3]
  const S* bias;    // [C]
  S* y;             // [batch, C, H, W]

  /// y[b, o, h, w] = bias[o] + the sum over c, i, j of weight[o, c, i, j] * x[b, c, h + i - 1, w + j - 1].
  TESSERA_HOST_DEVICE void operator()(Index at) const {
    const Index w = at % W, h = at / W % H, o = at / W / H % C, b = at / W / H / C;
    float sum = bias[o];
    for (Index c = 0; c < C; ++c) {
      for (Index i = larger(h - 1, 0); i <= smaller(h + 1, H - 1); ++i) {
        for (Index j = larger(w - 1, 0); j <= smaller(w + 1, W - 1); ++j) {
          sum += weight[((o * C + c) * 3 + i - h + 1) * 3 + j - w + 1] * x[((b * C + c) * H + i) * W + j];
        }
      }
    }
    y[at] = sum;
  }
};

template <class S, Index C, Index H, Index W>
struct Conv3x3InputGradient {
  const S* weight;  // [C, C, 3, 3]
  const S* dy;      // [batch, C, H, W]
  S* dx;            // [batch, C, H, W]

  /// As forward, the window turned around and the channels exchanged.
  TESSERA_HOST_DEVICE void operator()(Index at) const {
    const Index w = at % W, h = at / W % H, c = at / W / H % C, b = at / W / H / C;
    float sum = 0;
    for (Index o = 0; o < C; ++o) {
      for (Index i = larger(h - 1, 0); i <= smaller(h + 1, H - 1); ++i) {
        for (Index j = larger(w - 1, 0); j <= smaller(w + 1, W - 1); ++j) {
          sum += weight[((o * C + c) * 3 + h - i + 1) * 3 + w - j + 1] * dy[((b * C + o) * H + i) * W + j];
        }
      }
    }
    dx[at] = sum;
  }
};

/// Of weight (o, c, i, j) and pixel t of the batch.
template <class S, Index C, Index H, Index W>
struct Conv3x3WeightTerm {
  const S* x;   // [batch, C, H, W]
  const S* dy;  // [batch, C, H, W]

  TESSERA_HOST_DEVICE double operator()(Index tap, Index t) const {
    const Index w = t % W, h = t / W % H, b = t / W / H;
    const Index j = w + tap % 3 - 1, i = h + tap / 3 % 3 - 1, c = tap / 9 % C, o = tap / 9 / C;
    if (i < 0 || i >= H || j < 0 || j >= W) return 0;
    return static_cast<double>(x[((b * C + c) * H + i) * W + j] * dy[((b * C + o) * H + h) * W + w]);
  }
};

template <class S, Index C, Index H, Index W>
struct Conv3x3BiasTerm {
  const S* dy;  // [batch, C, H, W]
  TESSERA_HOST_DEVICE double operator()(Index o, Index t) const {
    return static_cast<double>(dy[(t / (H * W) * C + o) * H * W + t % (H * W)]);
  }
};

template <class System>
struct Conv3x3Ops {
  using S = typename System::Scalar;

  template <Index C, Index H, Index W>
  static void conv3x3(Shape<C, H, W>, Index batch, View<const S> x, View<const S> weight, View<const S> bias,
                      View<S> y) {
    launch<System>(batch * C * H * W, Conv3x3<S, C, H, W>{x.data(), weight.data(), bias.data(), y.data()});
  }
  template <Index C, Index H, Index W>
  static void conv3x3_backward(Shape<C, H, W>, Index batch, View<const S> x, View<const S> weight, View<const S> dy,
                               View<S> dx, View<Wide<S>> dweight, View<Wide<S>> dbias) {
    launch<System>(batch * C * H * W, Conv3x3InputGradient<S, C, H, W>{weight.data(), dy.data(), dx.data()});
    add_sums<System>(C * C * 9, batch * H * W, Conv3x3WeightTerm<S, C, H, W>{x.data(), dy.data()}, dweight.data());
    add_sums<System>(C, batch * H * W, Conv3x3BiasTerm<S, C, H, W>{dy.data()}, dbias.data());
  }
};

}  // namespace tessera::thrust_detail
