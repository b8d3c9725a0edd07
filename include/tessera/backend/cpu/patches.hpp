// Images [batch, C, H, W] as patches, row by row of the grid, and back.
#pragma once

#include <tessera/core/copy.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/core/types.hpp>

namespace tessera::cpu_detail {

template <class Arch>
struct PatchesOps {
  /// patches [batch, N, (C, P, P)]: what a P x P convolution with stride P multiplies its weight by.
  template <Index C, Index H, Index W, Index P>
  static void patchify(Shape<C, H, W, P> sizes, Index batch, View<const float> image, View<float> patches) {
    for_each_patch(sizes, batch, [&](Index pixel, Index patch) {
      const float* from = image.data() + pixel;
      float* to = patches.data() + patch * C * P * P;
      for (Index c = 0; c < C; ++c) {
        for (Index row = 0; row < P; ++row) copy_values(from + (c * H + row) * W, P, to + (c * P + row) * P);
      }
    });
  }
  /// patches [batch, N, (P, P, C)]: the decoder's 1 x 1 convolution names its outputs in this order.
  template <Index C, Index H, Index W, Index P>
  static void unpatchify(Shape<C, H, W, P> sizes, Index batch, View<const float> patches, View<float> image) {
    for_each_patch(sizes, batch, [&](Index pixel, Index patch) {
      const float* from = patches.data() + patch * C * P * P;
      float* to = image.data() + pixel;
      for_each_value<C, P>(
          [&](Index c, Index row, Index column) { to[(c * H + row) * W + column] = from[(row * P + column) * C + c]; });
    });
  }
  template <Index C, Index H, Index W, Index P>
  static void unpatchify_backward(Shape<C, H, W, P> sizes, Index batch, View<const float> dimage,
                                  View<float> dpatches) {
    for_each_patch(sizes, batch, [&](Index pixel, Index patch) {
      const float* from = dimage.data() + pixel;
      float* to = dpatches.data() + patch * C * P * P;
      for_each_value<C, P>(
          [&](Index c, Index row, Index column) { to[(row * P + column) * C + c] = from[(c * H + row) * W + column]; });
    });
  }

 private:
  /// f(offset of the patch's first pixel in the images, index of the patch over the batch); one task per row of the
  /// grid
  template <Index C, Index H, Index W, Index P, class F>
  static void for_each_patch(Shape<C, H, W, P>, Index batch, F&& f) {
    constexpr Index grid_height = H / P;
    constexpr Index grid_width = W / P;
    parallel_for(batch * grid_height, [&](Index i) {
      const Index first_pixel = i / grid_height * C * H * W + i % grid_height * P * W;
      for (Index j = 0; j < grid_width; ++j) f(first_pixel + j * P, i * grid_width + j);
    });
  }
  template <Index C, Index P, class F>
  static void for_each_value(F&& f) {
    for (Index row = 0; row < P; ++row) {
      for (Index column = 0; column < P; ++column) {
        for (Index c = 0; c < C; ++c) f(c, row, column);
      }
    }
  }
};

}  // namespace tessera::cpu_detail
