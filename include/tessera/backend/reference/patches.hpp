// Images [batch, C, H, W] as patches, row by row of the grid, and back.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct PatchesOps {
  /// patches [batch, N, (C, P, P)]: what a P x P convolution with stride P multiplies its weight by.
  template <Index C, Index H, Index W, Index P>
  static void patchify(Shape<C, H, W, P> sizes, Index batch, View<const T> image, View<T> patches) {
    for_each_pixel(sizes, batch, [&](Index pixel, Index patch, Index c, Index row, Index column) {
      patches[patch * C * P * P + (c * P + row) * P + column] = image[pixel];
    });
  }
  /// patches [batch, N, (P, P, C)]: the decoder's 1 x 1 convolution names its outputs in this order.
  template <Index C, Index H, Index W, Index P>
  static void unpatchify(Shape<C, H, W, P> sizes, Index batch, View<const T> patches, View<T> image) {
    for_each_pixel(sizes, batch, [&](Index pixel, Index patch, Index c, Index row, Index column) {
      image[pixel] = patches[patch * C * P * P + (row * P + column) * C + c];
    });
  }
  template <Index C, Index H, Index W, Index P>
  static void unpatchify_backward(Shape<C, H, W, P> sizes, Index batch, View<const T> dimage, View<T> dpatches) {
    for_each_pixel(sizes, batch, [&](Index pixel, Index patch, Index c, Index row, Index column) {
      dpatches[patch * C * P * P + (row * P + column) * C + c] = dimage[pixel];
    });
  }

 private:
  /// f(offset in the image, index of the patch over the batch, channel, row and column in the patch)
  template <Index C, Index H, Index W, Index P, class F>
  static void for_each_pixel(Shape<C, H, W, P>, Index batch, F&& f) {
    for (Index b = 0; b < batch; ++b) {
      for (Index c = 0; c < C; ++c) {
        for (Index h = 0; h < H; ++h) {
          for (Index w = 0; w < W; ++w) {
            const Index patch = (b * (H / P) + h / P) * (W / P) + w / P;
            f(((b * C + c) * H + h) * W + w, patch, c, h % P, w % P);
          }
        }
      }
    }
  }
};

}  // namespace tessera::reference_detail
