// Code vectors, and embeddings of a text where the decoder sees one -> image. Names and order as in the published
// decoders of TiTok (Yu et al. 2024, arXiv:2406.07550) and TA-TiTok (Kim et al. 2025, arXiv:2501.07730).
#pragma once

#include <algorithm>
#include <type_traits>

#include <tessera/config.hpp>
#include <tessera/nn/code_head.hpp>
#include <tessera/nn/patch_head.hpp>
#include <tessera/nn/transformer.hpp>

namespace tessera {

template <Config config>
struct Decoder {
  static constexpr Index D = config.decoder.dim;
  static constexpr Index N = config.patches();
  static constexpr Index T = config.tokens();
  static constexpr Index text_rows = config.text.length;
  static constexpr Index rows = config.decoder_sequence();
  static constexpr Index first_patch = config.class_token ? 1 : 0;
  static constexpr Index first_latent = first_patch + N;
  static constexpr Index first_text = first_latent + config.latent_tokens;
  static constexpr bool has_latents = config.latent_tokens > 0;
  /// The rows that become patches.
  static constexpr KeptRows keep{rows, first_patch, N};

  using Embed = Linear<config.code_dim, D>;
  using TextProjection = Linear<std::max<Index>(config.text.width, 1), D>;  // used where there is a text
  using Norm = LayerNorm<D>;
  using Blocks = Transformer<D, config.decoder.depth, config.decoder.heads, config.decoder.mlp_ratio>;
  using Head = std::conditional_t<config.has_pixel_decoder(), CodeHead<config>, PatchHead<config>>;

  template <class P>
  struct Tensors {
    typename Embed::template Tensors<P> decoder_embed{};
    View<P> class_embedding{};                    // [1, D]
    View<P> mask_token{};                         // [1, 1, D]
    View<P> positional_embedding{};               // [class token and patches, D]
    View<P> latent_token_positional_embedding{};  // [T, D]
    typename TextProjection::template Tensors<P> text_guidance_proj{};
    View<P> text_guidance_positional_embedding{};  // [text, D]
    typename Norm::template Tensors<P> ln_pre{}, ln_post{};
    typename Blocks::template Tensors<P> transformer{};
    typename Head::template Tensors<P> head{};

    constexpr void visit(auto& v) {
      v.nested("decoder_embed", decoder_embed);
      if constexpr (config.class_token) v.tensor("class_embedding", class_embedding, {1, D});
      if constexpr (has_latents) v.tensor("mask_token", mask_token, {1, 1, D});
      v.tensor("positional_embedding", positional_embedding, {first_latent, D});
      if constexpr (has_latents) {
        v.tensor("latent_token_positional_embedding", latent_token_positional_embedding, {T, D});
      }
      if constexpr (config.has_text()) {
        v.nested("text_guidance_proj", text_guidance_proj);
        v.tensor("text_guidance_positional_embedding", text_guidance_positional_embedding, {text_rows, D});
      }
      v.nested("ln_pre", ln_pre);
      transformer.visit(v);
      v.nested("ln_post", ln_post);
      head.visit(v);
    }
  };

  template <class S>
  struct Saved {
    View<S> embedded{};       // [B, T, D]
    View<S> embedded_text{};  // [B, text, D]
    View<S> sequence{};       // [B, rows, D]
    typename Norm::template Saved<S> ln_pre{}, ln_post{};
    typename Blocks::template Saved<S> transformer{};
    View<S> normalized{};  // [B, N, D], ln_post of the kept rows
    typename Head::template Saved<S> head{};

    constexpr void visit(auto& v, Index batch, bool training) {
      v(embedded, batch * T * D);
      v(embedded_text, batch * text_rows * D);
      v(sequence, batch * rows * D);
      transformer.visit(v, batch, keep, training);
      v(normalized, batch * N * D);
      head.visit(v, batch, training);
      if (training) {
        ln_pre.visit(v, batch * rows);
        ln_post.visit(v, batch * N);
      }
    }
  };

  /// zq [B, T, code_dim], text [B, text, width] or empty -> image [B, C, H, W], not clamped.
  template <Backend B, class P, class S = typename B::Scalar>
  static void forward(const Tensors<P>& w, Index batch, View<const S> zq, View<const S> text, const Saved<S>& saved,
                      View<S> image) {
    // x = self.decoder_embed(z_quantized); text_guidance = self.text_guidance_proj(text_guidance)
    Embed::template forward<B>(w.decoder_embed, batch * T, zq, saved.embedded);
    if constexpr (config.has_text()) {
      TextProjection::template forward<B>(w.text_guidance_proj, batch * text_rows, text, saved.embedded_text);
    }
    assemble<B>(w, batch, saved);
    // x = self.ln_pre(x); for each block: x = block(x); x = self.ln_post(x[:, kept])
    Norm::template forward<B>(w.ln_pre, batch * rows, View<const S>(saved.sequence), saved.transformer.input(),
                              saved.ln_pre);
    Blocks::template forward<B>(w.transformer, batch, keep, saved.transformer);
    Norm::template forward<B>(w.ln_post, batch * N, View<const S>(saved.transformer.output), saved.normalized,
                              saved.ln_post);
    Head::template forward<B>(w.head, batch, View<const S>(saved.normalized), saved.head, image);
  }

  template <class S>
  struct Scratch {
    typename Head::template Scratch<S> head{};
    View<S> dnormalized{};     // [B, N, D]
    View<S> dsequence{};       // [B, rows, D]
    View<S> dembedded{};       // [B, T, D]
    View<S> dembedded_text{};  // [B, text, D]
    View<S> products{};        // linear_backward_weight's
    typename Blocks::template Scratch<S> transformer{};

    template <Backend B>
    constexpr void visit(auto& v, Index batch) {
      head.template visit<B>(v, batch);
      v(dnormalized, batch * N * D);
      v(dsequence, batch * rows * D);
      v(dembedded, batch * T * D);
      v(dembedded_text, batch * text_rows * D);
      v(products,
        std::max(Embed::template scratch<B>(batch * T), TextProjection::template scratch<B>(batch * text_rows)));
      transformer.template visit<B>(v, batch, keep);
    }
  };

  /// dimage [B, C, H, W] -> dzq [B, T, code_dim], overwritten. Adds to the gradients d. No gradient of the text.
  template <Backend B, class P, class S = typename B::Scalar>
  static void backward(const Tensors<P>& w, Index batch, View<const S> zq, View<const S> text, const Saved<S>& saved,
                       View<const S> dimage, View<S> dzq, const Scratch<S>& scratch, const Tensors<Wide<S>>& d) {
    Head::template backward<B>(w.head, batch, View<const S>(saved.normalized), saved.head, dimage, scratch.dnormalized,
                               scratch.head, d.head);
    B::fill(S{}, scratch.transformer.doutput);
    Norm::template backward<B>(w.ln_post, batch * N, View<const S>(saved.transformer.output), saved.ln_post,
                               View<const S>(scratch.dnormalized), scratch.transformer.doutput, d.ln_post);
    Blocks::template backward<B>(w.transformer, batch, keep, saved.transformer, scratch.transformer, d.transformer);
    B::fill(S{}, scratch.dsequence);
    Norm::template backward<B>(w.ln_pre, batch * rows, View<const S>(saved.sequence), saved.ln_pre,
                               View<const S>(scratch.transformer.dx), scratch.dsequence, d.ln_pre);
    assemble_backward<B>(batch, scratch, d);
    if constexpr (config.has_text()) {
      TextProjection::template backward_weight<B>(batch * text_rows, text, View<const S>(scratch.dembedded_text),
                                                  scratch.products, d.text_guidance_proj);
    }
    Embed::template backward_weight<B>(batch * T, zq, View<const S>(scratch.dembedded), scratch.products,
                                       d.decoder_embed);
    Embed::template backward_input<B>(w.decoder_embed, batch * T, View<const S>(scratch.dembedded), dzq);
  }

 private:
  /// With latents: sequence = [class token, mask tokens] + positional_embedding, then the embedded tokens + their
  /// positions, then the embedded text + its positions. Patch family: the embedded tokens + positional_embedding.
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
    if constexpr (config.has_text()) {
      B::copy_rows(shape<D>, batch, text_rows, RowBlock<const S>{saved.embedded_text, text_rows},
                   View<const S>(w.text_guidance_positional_embedding), RowBlock<S>{saved.sequence, rows, first_text});
    }
  }

  template <Backend B, class S = typename B::Scalar>
  static void assemble_backward(Index batch, const Scratch<S>& scratch, const Tensors<Wide<S>>& d) {
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
    if constexpr (config.has_text()) {
      const RowBlock<const S> dtext{dsequence, rows, first_text};
      B::sum_rows(shape<D>, batch, text_rows, dtext, d.text_guidance_positional_embedding, 1);
      B::copy_rows(shape<D>, batch, text_rows, dtext, View<const S>(), RowBlock<S>{scratch.dembedded_text, text_rows});
    }
    constexpr Index first_token = has_latents ? first_latent : 0;
    B::copy_rows(shape<D>, batch, T, RowBlock<const S>{dsequence, rows, first_token}, View<const S>(),
                 RowBlock<S>{scratch.dembedded, T});
  }
};

}  // namespace tessera
