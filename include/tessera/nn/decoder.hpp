// Code vectors -> image. Names and order as in the published TiTok decoder (Yu et al. 2024, arXiv:2406.07550).
#pragma once

#include <algorithm>

#include <tessera/config.hpp>
#include <tessera/nn/transformer.hpp>

namespace tessera {

template <Config config>
struct Decoder {
  static constexpr Index D = config.decoder.dim;
  static constexpr Index N = config.patches();
  static constexpr Index T = config.tokens();
  static constexpr Index rows = config.sequence();
  static constexpr Index first_patch = config.class_token ? 1 : 0;
  static constexpr Index first_latent = first_patch + N;
  static constexpr bool has_latents = config.latent_tokens > 0;
  /// The rows that become patches.
  static constexpr KeptRows keep{rows, first_patch, N};
  static constexpr Index channels = config.channels;
  static constexpr auto patch_shape = shape<channels, config.image.height, config.image.width, config.patch_size>;
  static constexpr auto image_shape = shape<channels, config.image.height, config.image.width>;

  using Embed = Linear<config.code_dim, D>;
  using Norm = LayerNorm<D>;
  using Blocks = Transformer<D, config.decoder.depth, config.decoder.heads, config.decoder.mlp_ratio>;
  using Pixels = Linear<D, config.patch_values()>;

  template <class P>
  struct Convolution {
    View<P> weight{};  // [C, C, 3, 3]
    View<P> bias{};    // [C]

    constexpr void visit(auto& v) {
      v.tensor("weight", weight, {channels, channels, 3, 3});
      v.tensor("bias", bias, {channels});
    }
  };

  template <class P>
  struct Tensors {
    typename Embed::template Tensors<P> decoder_embed{};
    View<P> class_embedding{};                    // [1, D]
    View<P> mask_token{};                         // [1, 1, D]
    View<P> positional_embedding{};               // [class token and patches, D]
    View<P> latent_token_positional_embedding{};  // [T, D]
    typename Norm::template Tensors<P> ln_pre{}, ln_post{};
    typename Blocks::template Tensors<P> transformer{};
    typename Pixels::template Tensors<P> ffn{};
    Convolution<P> conv_out{};

    constexpr void visit(auto& v) {
      v.nested("decoder_embed", decoder_embed);
      if constexpr (config.class_token) v.tensor("class_embedding", class_embedding, {1, D});
      if constexpr (has_latents) v.tensor("mask_token", mask_token, {1, 1, D});
      v.tensor("positional_embedding", positional_embedding, {first_latent, D});
      if constexpr (has_latents) {
        v.tensor("latent_token_positional_embedding", latent_token_positional_embedding, {T, D});
      }
      v.nested("ln_pre", ln_pre);
      transformer.visit(v);
      v.nested("ln_post", ln_post);
      v.nested("ffn.0", ffn, Dims{config.patch_values(), D, 1, 1});
      v.nested("conv_out", conv_out);
    }
    void visit_packed(auto& v) {
      decoder_embed.visit_packed(v);
      transformer.visit_packed(v);
      ffn.visit_packed(v);
    }
  };

  template <class S>
  struct Saved {
    View<S> embedded{};  // [B, T, D]
    View<S> sequence{};  // [B, rows, D]
    typename Norm::template Saved<S> ln_pre{}, ln_post{};
    typename Blocks::template Saved<S> transformer{};
    View<S> normalized{};  // [B, N, D], ln_post of the kept rows
    View<S> patches{};     // [B, N, patch_values]
    View<S> unfiltered{};  // [B, C, H, W], conv_out's input

    constexpr void visit(auto& v, Index batch, bool training) {
      v(embedded, batch * T * D);
      v(sequence, batch * rows * D);
      transformer.visit(v, batch, keep, training);
      v(normalized, batch * N * D);
      v(patches, batch * N * config.patch_values());
      v(unfiltered, batch * config.image_values());
      if (training) {
        ln_pre.visit(v, batch * rows);
        ln_post.visit(v, batch * N);
      }
    }
  };

  /// zq [B, T, code_dim] -> image [B, C, H, W], not clamped.
  template <Backend B, class P, class S = typename B::Scalar>
  static void forward(const Tensors<P>& w, Index batch, View<const S> zq, const Saved<S>& saved, View<S> image) {
    // x = self.decoder_embed(z_quantized)
    Embed::template forward<B>(w.decoder_embed, batch * T, zq, saved.embedded);
    assemble<B>(w, batch, saved);
    // x = self.ln_pre(x); for each block: x = block(x); x = self.ln_post(x[:, kept])
    Norm::template forward<B>(w.ln_pre, batch * rows, View<const S>(saved.sequence), saved.transformer.input(),
                              saved.ln_pre);
    Blocks::template forward<B>(w.transformer, batch, keep, saved.transformer);
    Norm::template forward<B>(w.ln_post, batch * N, View<const S>(saved.transformer.output), saved.normalized,
                              saved.ln_post);
    // x = self.ffn(x); x = rearrange(...); x = self.conv_out(x)
    Pixels::template forward<B>(w.ffn, batch * N, View<const S>(saved.normalized), saved.patches);
    B::unpatchify(patch_shape, batch, saved.patches, saved.unfiltered);
    B::conv3x3(image_shape, batch, saved.unfiltered, w.conv_out.weight, w.conv_out.bias, image);
  }

  template <class S>
  struct Scratch {
    View<S> dunfiltered{};  // [B, C, H, W]
    View<S> dpatches{};     // [B, N, patch_values]
    View<S> dnormalized{};  // [B, N, D]
    View<S> dsequence{};    // [B, rows, D]
    View<S> dembedded{};    // [B, T, D]
    View<S> products{};     // linear_backward_weight's
    typename Blocks::template Scratch<S> transformer{};

    template <Backend B>
    constexpr void visit(auto& v, Index batch) {
      v(dunfiltered, batch * config.image_values());
      v(dpatches, batch * N * config.patch_values());
      v(dnormalized, batch * N * D);
      v(dsequence, batch * rows * D);
      v(dembedded, batch * T * D);
      v(products, std::max(Embed::template scratch<B>(batch * T), Pixels::template scratch<B>(batch * N)));
      transformer.template visit<B>(v, batch, keep);
    }
  };

  /// dimage [B, C, H, W] -> dzq [B, T, code_dim], overwritten. Adds to the gradients d.
  template <Backend B, class P, class S = typename B::Scalar>
  static void backward(const Tensors<P>& w, Index batch, View<const S> zq, const Saved<S>& saved, View<const S> dimage,
                       View<S> dzq, const Scratch<S>& scratch, const Tensors<S>& d) {
    B::conv3x3_backward(image_shape, batch, saved.unfiltered, w.conv_out.weight, dimage, scratch.dunfiltered,
                        d.conv_out.weight, d.conv_out.bias);
    B::unpatchify_backward(patch_shape, batch, scratch.dunfiltered, scratch.dpatches);
    Pixels::template backward_weight<B>(batch * N, View<const S>(saved.normalized), View<const S>(scratch.dpatches),
                                        scratch.products, d.ffn);
    Pixels::template backward_input<B>(w.ffn, batch * N, View<const S>(scratch.dpatches), scratch.dnormalized);
    B::fill(S{}, scratch.transformer.doutput);
    Norm::template backward<B>(w.ln_post, batch * N, View<const S>(saved.transformer.output), saved.ln_post,
                               View<const S>(scratch.dnormalized), scratch.transformer.doutput, d.ln_post);
    Blocks::template backward<B>(w.transformer, batch, keep, saved.transformer, scratch.transformer, d.transformer);
    B::fill(S{}, scratch.dsequence);
    Norm::template backward<B>(w.ln_pre, batch * rows, View<const S>(saved.sequence), saved.ln_pre,
                               View<const S>(scratch.transformer.dx), scratch.dsequence, d.ln_pre);
    assemble_backward<B>(batch, scratch, d);
    Embed::template backward_weight<B>(batch * T, zq, View<const S>(scratch.dembedded), scratch.products,
                                       d.decoder_embed);
    Embed::template backward_input<B>(w.decoder_embed, batch * T, View<const S>(scratch.dembedded), dzq);
  }

 private:
  /// With latents: sequence = [class token, mask tokens] + positional_embedding, then the embedded tokens + their
  /// positions. Patch family: the embedded tokens + positional_embedding.
  template <Backend B, class P, class S = typename B::Scalar>
  static void assemble(const Tensors<P>& w, Index batch, const Saved<S>& saved) {
    const View<const S> positions = w.positional_embedding;
    const RowBlock<const S> tokens{saved.embedded, T};
    if constexpr (config.class_token) {
      B::copy_rows(shape<D>, batch, 1, RowBlock<const S>{w.class_embedding}, first(positions, D),
                   RowBlock<S>{saved.sequence, rows});
    }
    if constexpr (has_latents) {
      B::copy_rows(shape<D>, batch, N, RowBlock<const S>{w.mask_token, 0, 0, 0},
                   slice(positions, first_patch * D, N * D), RowBlock<S>{saved.sequence, rows, first_patch});
      B::copy_rows(shape<D>, batch, T, tokens, View<const S>(w.latent_token_positional_embedding),
                   RowBlock<S>{saved.sequence, rows, first_latent});
    } else {
      B::copy_rows(shape<D>, batch, T, tokens, positions, RowBlock<S>{saved.sequence, rows});
    }
  }

  template <Backend B, class S = typename B::Scalar>
  static void assemble_backward(Index batch, const Scratch<S>& scratch, const Tensors<S>& d) {
    const View<const S> dsequence = scratch.dsequence;
    B::sum_rows(shape<D>, batch, first_latent, RowBlock<const S>{dsequence, rows}, d.positional_embedding, 1);
    if constexpr (config.class_token) {
      B::sum_rows(shape<D>, batch, 1, RowBlock<const S>{dsequence, rows}, d.class_embedding, 1);
    }
    if constexpr (has_latents) {
      B::sum_rows(shape<D>, batch, N, RowBlock<const S>{dsequence, rows, first_patch}, d.mask_token, 0);
      B::sum_rows(shape<D>, batch, T, RowBlock<const S>{dsequence, rows, first_latent},
                  d.latent_token_positional_embedding, 1);
    }
    constexpr Index first_token = has_latents ? first_latent : 0;
    B::copy_rows(shape<D>, batch, T, RowBlock<const S>{dsequence, rows, first_token}, View<const S>(),
                 RowBlock<S>{scratch.dembedded, T});
  }
};

}  // namespace tessera
