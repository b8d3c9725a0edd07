// The decoder's last rows -> image: each row is a patch's pixels, and a 3 x 3 convolution smooths the seams.
#pragma once

#include <tessera/config.hpp>
#include <tessera/nn/linear.hpp>

namespace tessera {

template <Config config>
struct PatchHead {
  static constexpr Index D = config.decoder.dim;
  static constexpr Index N = config.patches();
  static constexpr Index channels = config.channels;
  static constexpr auto patch_shape = shape<channels, config.image.height, config.image.width, config.patch_size>;
  static constexpr auto image_shape = shape<channels, config.image.height, config.image.width>;

  using Pixels = Linear<D, config.patch_values()>;

  template <class P>
  struct ImageConvolution {
    View<P> weight{};  // [C, C, 3, 3]
    View<P> bias{};    // [C]

    constexpr void visit(auto& v) {
      v.tensor("weight", weight, {channels, channels, 3, 3});
      v.tensor("bias", bias, {channels});
    }
  };

  template <class P>
  struct Tensors {
    typename Pixels::template Tensors<P> ffn{};
    ImageConvolution<P> conv_out{};

    constexpr void visit(auto& v) {
      v.nested("ffn.0", ffn, Dims{config.patch_values(), D, 1, 1});
      v.nested("conv_out", conv_out);
    }
  };

  template <class S>
  struct Saved {
    View<S> patches{};     // [B, N, patch_values]
    View<S> unfiltered{};  // [B, C, H, W], conv_out's input

    constexpr void visit(auto& v, Index batch, bool /*training*/) {
      v(patches, batch * N * config.patch_values());
      v(unfiltered, batch * config.image_values());
    }
  };

  /// x [B, N, D] -> image [B, C, H, W].
  template <Backend B, class P, class S = typename B::Scalar>
  static void forward(const Tensors<P>& w, Index batch, View<const S> x, const Saved<S>& saved, View<S> image) {
    // x = self.ffn(x); x = self.conv_out(x)
    Pixels::template forward<B>(w.ffn, batch * N, x, saved.patches);
    B::unpatchify(patch_shape, batch, saved.patches, saved.unfiltered);
    B::conv3x3(image_shape, batch, saved.unfiltered, w.conv_out.weight, w.conv_out.bias, image);
  }

  template <class S>
  struct Scratch {
    View<S> dunfiltered{};  // [B, C, H, W]
    View<S> dpatches{};     // [B, N, patch_values]
    View<S> products{};     // linear_backward_weight's

    template <Backend B>
    constexpr void visit(auto& v, Index batch) {
      v(dunfiltered, batch * config.image_values());
      v(dpatches, batch * N * config.patch_values());
      v(products, Pixels::template scratch<B>(batch * N));
    }
  };

  /// dimage [B, C, H, W] -> dx [B, N, D], overwritten. Adds to the gradients d.
  template <Backend B, class P, class S = typename B::Scalar>
  static void backward(const Tensors<P>& w, Index batch, View<const S> x, const Saved<S>& saved, View<const S> dimage,
                       View<S> dx, const Scratch<S>& scratch, const Tensors<Wide<S>>& d) {
    const View<const S> dpatches = scratch.dpatches;
    B::conv3x3_backward(image_shape, batch, saved.unfiltered, w.conv_out.weight, dimage, scratch.dunfiltered,
                        d.conv_out.weight, d.conv_out.bias);
    B::unpatchify_backward(patch_shape, batch, scratch.dunfiltered, scratch.dpatches);
    Pixels::template backward_weight<B>(batch * N, x, dpatches, scratch.products, d.ffn);
    Pixels::template backward_input<B>(w.ffn, batch * N, dpatches, dx);
  }
};

}  // namespace tessera
