// Feature maps [batch, H, W, C] twice as high and wide: each pixel becomes a square of four (nearest neighbour).
#pragma once

#include <algorithm>

#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct UpsampleOps {
  template <Index H, Index W, Index C>
  static void upsample2(Shape<H, W, C> sizes, Index batch, View<const T> x, View<T> y) {
    for_each_value(sizes, batch, [&](Index small, Index large) { y[large] = x[small]; });
  }
  template <Index H, Index W, Index C>
  static void upsample2_backward(Shape<H, W, C> sizes, Index batch, View<const T> dy, View<T> dx) {
    std::fill_n(dx.data(), batch * H * W * C, T{});
    for_each_value(sizes, batch, [&](Index small, Index large) { dx[small] += dy[large]; });
  }

 private:
  /// f(offset in the small map, offset in the large one) for every value of the large one.
  template <Index H, Index W, Index C, class F>
  static void for_each_value(Shape<H, W, C>, Index batch, F&& f) {
    for (Index row = 0; row < batch * 2 * H; ++row) {  // image b's row h of the small map is row b * H + h of the batch
      for (Index w = 0; w < 2 * W; ++w) {
        for (Index c = 0; c < C; ++c) f((row / 2 * W + w / 2) * C + c, (row * 2 * W + w) * C + c);
      }
    }
  }
};

}  // namespace tessera::reference_detail
