// Feature maps [batch, H, W, C] twice as high and wide: each pixel becomes a square of four (nearest neighbour).
#pragma once

#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

// Image b's row h of the small map is row b * H + h of the batch, so the kernels need no batch index.

template <class S, Index W, Index C>
struct Upsample2 {
  const S* x;  // [batch, H, W, C]
  S* y;        // [batch, 2 H, 2 W, C]

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index c = i % C, w = i / C % (2 * W), row = i / C / (2 * W);
    y[i] = x[(row / 2 * W + w / 2) * C + c];
  }
};

template <class S, Index W, Index C>
struct Upsample2Backward {
  const S* dy;  // [batch, 2 H, 2 W, C]
  S* dx;        // [batch, H, W, C]

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index c = i % C, w = i / C % W, row = i / C / W;
    const S* square = dy + (2 * row * 2 * W + 2 * w) * C + c;
    dx[i] = square[0] + square[C] + square[2 * W * C] + square[(2 * W + 1) * C];
  }
};

template <class System>
struct UpsampleOps {
  using S = typename System::Scalar;

  template <Index H, Index W, Index C>
  static void upsample2(Shape<H, W, C>, Index batch, View<const S> x, View<S> y) {
    launch<System>(batch * 4 * H * W * C, Upsample2<S, W, C>{x.data(), y.data()});
  }
  template <Index H, Index W, Index C>
  static void upsample2_backward(Shape<H, W, C>, Index batch, View<const S> dy, View<S> dx) {
    launch<System>(batch * H * W * C, Upsample2Backward<S, W, C>{dy.data(), dx.data()});
  }
};

}  // namespace tessera::thrust_detail
