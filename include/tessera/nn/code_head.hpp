// The decoder's last rows -> image, in the published legacy models (TiTok's second training stage, Yu et al. 2024,
// arXiv:2406.07550, section 3.3): each row weighs the codes of a VQGAN, whose decoder makes the image.
#pragma once

#include <algorithm>

#include <tessera/config.hpp>
#include <tessera/nn/linear.hpp>
#include <tessera/nn/pixel_decoder.hpp>
#include <tessera/nn/weighted_codes.hpp>

namespace tessera {

template <Config config>
struct CodeHead {
  static constexpr Index D = config.decoder.dim;
  static constexpr Index N = config.patches();
  static constexpr Index K = config.pixel_decoder.codebook_size;
  static constexpr Index C = config.pixel_decoder.z_channels;

  using Hidden = Linear<D, 2 * D>;
  using Logits = Linear<2 * D, K>;
  using Codes = WeightedCodes<K, C>;
  using Pixels = PixelDecoder<config.pixel_decoder, config.grid_height(), config.grid_width(), config.channels>;

  template <class P>
  struct Tensors {
    typename Hidden::template Tensors<P> hidden{};
    typename Logits::template Tensors<P> logits{};
    typename Codes::template Tensors<P> pixel_quantize{};
    typename Pixels::template Tensors<P> pixel_decoder{};

    constexpr void visit(auto& v) {
      v.nested("ffn.0", hidden, Dims{2 * D, D, 1, 1});
      v.nested("ffn.2", logits, Dims{K, 2 * D, 1, 1});
    }
    /// In the state dict these stand beside the decoder, not in it.
    constexpr void visit_beside(auto& v) {
      v.nested("pixel_quantize", pixel_quantize);
      v.nested("pixel_decoder", pixel_decoder);
    }
  };

  template <class S>
  struct Saved {
    View<S> hidden{};         // [B, N, 2 D], after tanh
    View<S> probabilities{};  // [B, N, K]
    View<S> codes{};          // [B, N, C]
    typename Pixels::template Saved<S> pixels{};

    constexpr void visit(auto& v, Index batch, bool training) {
      v(hidden, batch * N * 2 * D);
      v(probabilities, batch * N * K);
      v(codes, batch * N * C);
      pixels.visit(v, batch, training);
    }
  };

  /// x [B, N, D] -> image [B, channels, height, width].
  template <Backend B, class P, class S = typename B::Scalar>
  static void forward(const Tensors<P>& w, Index batch, View<const S> x, const Saved<S>& saved, View<S> image) {
    const Index rows = batch * N;
    // x = self.ffn(x)
    Hidden::template forward<B>(w.hidden, rows, x, saved.hidden);
    const View<S> hidden = first(saved.hidden, rows * 2 * D);
    B::tanh(hidden, hidden);
    Logits::template forward<B>(w.logits, rows, View<const S>(hidden), saved.probabilities);
    // quantized_states = torch.einsum('nchw,cd->ndhw', decoded.softmax(1), self.pixel_quantize.embedding.weight)
    B::softmax(shape<K>, rows, saved.probabilities, saved.probabilities);
    Codes::template forward<B>(w.pixel_quantize, rows, View<const S>(saved.probabilities), saved.codes);
    // decoded = self.pixel_decoder(quantized_states)
    Pixels::template forward<B>(w.pixel_decoder, batch, View<const S>(saved.codes), saved.pixels, image);
  }

  template <class S>
  struct Scratch {
    View<S> dhidden{};         // [B, N, 2 D]
    View<S> dlogits{};         // [B, N, K]
    View<S> dprobabilities{};  // [B, N, K]
    View<S> dcodes{};          // [B, N, C]
    View<S> products{};        // of the weights' gradients
    typename Pixels::template Scratch<S> pixels{};

    template <Backend B>
    constexpr void visit(auto& v, Index batch) {
      const Index rows = batch * N;
      v(dhidden, rows * 2 * D);
      v(dlogits, rows * K);
      v(dprobabilities, rows * K);
      v(dcodes, rows * C);
      v(products, std::max({Hidden::template scratch<B>(rows), Logits::template scratch<B>(rows),
                            Codes::template scratch<B>(rows)}));
      pixels.template visit<B>(v, batch);
    }
  };

  /// dimage [B, channels, height, width] -> dx [B, N, D], overwritten. Adds to the gradients d.
  template <Backend B, class P, class S = typename B::Scalar>
  static void backward(const Tensors<P>& w, Index batch, View<const S> x, const Saved<S>& saved, View<const S> dimage,
                       View<S> dx, const Scratch<S>& scratch, const Tensors<Wide<S>>& d) {
    const Index rows = batch * N;
    const View<const S> dlogits = scratch.dlogits, dhidden = scratch.dhidden;
    Pixels::template backward<B>(w.pixel_decoder, batch, View<const S>(saved.codes), saved.pixels, dimage,
                                 scratch.dcodes, scratch.pixels, d.pixel_decoder);
    Codes::template backward<B>(w.pixel_quantize, rows, View<const S>(saved.probabilities),
                                View<const S>(scratch.dcodes), scratch.dprobabilities, scratch.products,
                                d.pixel_quantize);
    B::softmax_backward(shape<K>, rows, saved.probabilities, scratch.dprobabilities, scratch.dlogits);
    Logits::template backward_weight<B>(rows, View<const S>(saved.hidden), dlogits, scratch.products, d.logits);
    Logits::template backward_input<B>(w.logits, rows, dlogits, scratch.dhidden);
    B::tanh_backward(saved.hidden, dhidden, scratch.dhidden);
    Hidden::template backward_weight<B>(rows, x, dhidden, scratch.products, d.hidden);
    Hidden::template backward_input<B>(w.hidden, rows, dhidden, dx);
  }
};

}  // namespace tessera
