// Images [batch, C, H, W] as patches, row by row of the grid, and back; one call per value.
#pragma once

#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

/// Pixel i of the batch: (C, P, P) is the order of a patch's values to multiply, (P, P, C) that of the decoder's.
template <Index C, Index H, Index W, Index P>
struct PixelPlace {
  Index patch, channel, row, column;  // over the batch; in the patch

  TESSERA_HOST_DEVICE explicit PixelPlace(Index i) {
    const Index w = i % W, h = i / W % H, b = i / W / H / C;
    patch = (b * (H / P) + h / P) * (W / P) + w / P;
    channel = i / W / H % C;
    row = h % P;
    column = w % P;
  }
  TESSERA_HOST_DEVICE Index channels_first() const { return patch * C * P * P + (channel * P + row) * P + column; }
  TESSERA_HOST_DEVICE Index channels_last() const { return patch * C * P * P + (row * P + column) * C + channel; }
};

template <class S, class Place>
struct Patchify {
  const S* image;  // [batch, C, H, W]
  S* patches;      // [batch, N, C, P, P]
  TESSERA_HOST_DEVICE void operator()(Index i) const { patches[Place(i).channels_first()] = image[i]; }
};

template <class S, class Place>
struct Unpatchify {
  const S* patches;  // [batch, N, P, P, C]
  S* image;          // [batch, C, H, W]
  TESSERA_HOST_DEVICE void operator()(Index i) const { image[i] = patches[Place(i).channels_last()]; }
};

template <class S, class Place>
struct UnpatchifyBackward {
  const S* dimage;  // [batch, C, H, W]
  S* dpatches;      // [batch, N, P, P, C]
  TESSERA_HOST_DEVICE void operator()(Index i) const { dpatches[Place(i).channels_last()] = dimage[i]; }
};

template <class System>
struct PatchesOps {
  using S = typename System::Scalar;

  template <Index C, Index H, Index W, Index P>
  static void patchify(Shape<C, H, W, P>, Index batch, View<const S> image, View<S> patches) {
    launch<System>(batch * C * H * W, Patchify<S, PixelPlace<C, H, W, P>>{image.data(), patches.data()});
  }
  template <Index C, Index H, Index W, Index P>
  static void unpatchify(Shape<C, H, W, P>, Index batch, View<const S> patches, View<S> image) {
    launch<System>(batch * C * H * W, Unpatchify<S, PixelPlace<C, H, W, P>>{patches.data(), image.data()});
  }
  template <Index C, Index H, Index W, Index P>
  static void unpatchify_backward(Shape<C, H, W, P>, Index batch, View<const S> dimage, View<S> dpatches) {
    launch<System>(batch * C * H * W, UnpatchifyBackward<S, PixelPlace<C, H, W, P>>{dimage.data(), dpatches.data()});
  }
};

}  // namespace tessera::thrust_detail
