// Image -> latents, one row of latent_dim() values per token. Names and order as in the published TiTok encoder
// (Yu et al. 2024, arXiv:2406.07550).
#pragma once

#include <algorithm>

#include <tessera/config.hpp>
#include <tessera/nn/transformer.hpp>

namespace tessera {

template <Config config>
struct Encoder {
  static constexpr Index D = config.encoder.dim;
  static constexpr Index N = config.patches();
  static constexpr Index T = config.tokens();
  static constexpr Index rows = config.sequence();
  static constexpr Index first_patch = config.class_token ? 1 : 0;
  static constexpr Index first_latent = first_patch + N;
  static constexpr bool has_latents = config.latent_tokens > 0;
  /// Patch family: every row is a token. Else only the latent tokens are kept.
  static constexpr KeptRows keep = has_latents ? KeptRows{rows, first_latent, T} : KeptRows{rows, 0, rows};
  static constexpr auto patch_shape =
      shape<config.channels, config.image.height, config.image.width, config.patch_size>;

  using PatchEmbed = Linear<config.patch_values(), D>;
  using Norm = LayerNorm<D>;
  using Blocks = Transformer<D, config.encoder.depth, config.encoder.heads, config.encoder.mlp_ratio>;
  using Output = Linear<D, config.latent_dim()>;

  template <class P>
  struct Tensors {
    typename PatchEmbed::template Tensors<P> patch_embed{};
    View<P> class_embedding{};                    // [1, D]
    View<P> positional_embedding{};               // [class token and patches, D]
    View<P> latent_token_positional_embedding{};  // [T, D]
    typename Norm::template Tensors<P> ln_pre{}, ln_post{};
    typename Blocks::template Tensors<P> transformer{};
    typename Output::template Tensors<P> conv_out{};

    constexpr void visit(auto& v) {
      v.nested("patch_embed", patch_embed, Dims{D, config.channels, config.patch_size, config.patch_size});
      if constexpr (config.class_token) v.tensor("class_embedding", class_embedding, {1, D});
      v.tensor("positional_embedding", positional_embedding, {first_latent, D});
      if constexpr (has_latents) {
        v.tensor("latent_token_positional_embedding", latent_token_positional_embedding, {T, D});
      }
      v.nested("ln_pre", ln_pre);
      transformer.visit(v);
      v.nested("ln_post", ln_post);
      v.nested("conv_out", conv_out, Dims{config.latent_dim(), D, 1, 1});
    }
  };

  template <class S>
  struct Saved {
    View<S> patches{};   // [B, N, patch_values]
    View<S> embedded{};  // [B, N, D]
    View<S> sequence{};  // [B, rows, D]
    typename Norm::template Saved<S> ln_pre{}, ln_post{};
    typename Blocks::template Saved<S> transformer{};
    View<S> normalized{};     // [B, T, D], ln_post of the kept rows
    View<S> reinterpreted{};  // [B, T, D], the same memory read as [B, D, T]; only where the Config says so

    constexpr void visit(auto& v, Index batch, bool training) {
      v(patches, batch * N * config.patch_values());
      v(embedded, batch * N * D);
      v(sequence, batch * rows * D);
      transformer.visit(v, batch, keep, training);
      v(normalized, batch * T * D);
      if constexpr (config.reinterpreted_latents) v(reinterpreted, batch * T * D);
      if (training) {
        ln_pre.visit(v, batch * rows);
        ln_post.visit(v, batch * T);
      }
    }
  };

  /// image [B, C, H, W] -> latents [B, T, latent_dim()]. latent_tokens: [T, D], or empty in the patch family.
  template <Backend B, class P, class S = typename B::Scalar>
  static void forward(const Tensors<P>& w, View<const S> latent_tokens, Index batch, View<const S> image,
                      const Saved<S>& saved, View<S> latents) {
    // x = self.patch_embed(pixel_values)
    B::patchify(patch_shape, batch, image, saved.patches);
    PatchEmbed::template forward<B>(w.patch_embed, batch * N, View<const S>(saved.patches), saved.embedded);
    assemble<B>(w, latent_tokens, batch, saved);
    // x = self.ln_pre(x); for each block: x = block(x); x = self.ln_post(x[:, kept]); x = self.conv_out(x)
    Norm::template forward<B>(w.ln_pre, batch * rows, View<const S>(saved.sequence), saved.transformer.input(),
                              saved.ln_pre);
    Blocks::template forward<B>(w.transformer, batch, keep, saved.transformer);
    Norm::template forward<B>(w.ln_post, batch * T, View<const S>(saved.transformer.output), saved.normalized,
                              saved.ln_post);
    if constexpr (config.reinterpreted_latents) {
      // latent_tokens = latent_tokens.reshape(batch_size, self.width, self.num_latent_tokens, 1)
      B::transpose(shape<D, T>, batch, saved.normalized, saved.reinterpreted);
    }
    Output::template forward<B>(w.conv_out, batch * T, output_rows(saved), latents);
  }

  template <class S>
  struct Scratch {
    View<S> dnormalized{};     // [B, T, D]
    View<S> dreinterpreted{};  // [B, T, D]; only where there is a reinterpretation
    View<S> dsequence{};       // [B, rows, D]
    View<S> dembedded{};       // [B, N, D]
    View<S> products{};        // linear_backward_weight's
    typename Blocks::template Scratch<S> transformer{};

    template <Backend B>
    constexpr void visit(auto& v, Index batch) {
      v(dnormalized, batch * T * D);
      if constexpr (config.reinterpreted_latents) v(dreinterpreted, batch * T * D);
      v(dsequence, batch * rows * D);
      v(dembedded, batch * N * D);
      v(products, std::max(PatchEmbed::template scratch<B>(batch * N), Output::template scratch<B>(batch * T)));
      transformer.template visit<B>(v, batch, keep);
    }
  };

  /// dlatents [B, T, latent_dim()]; adds to the gradients d and dlatent_tokens. No gradient of the image.
  template <Backend B, class P, class S = typename B::Scalar>
  static void backward(const Tensors<P>& w, Index batch, const Saved<S>& saved, View<const S> dlatents,
                       const Scratch<S>& scratch, const Tensors<Wide<S>>& d, View<Wide<S>> dlatent_tokens) {
    Output::template backward_weight<B>(batch * T, output_rows(saved), dlatents, scratch.products, d.conv_out);
    if constexpr (config.reinterpreted_latents) {
      Output::template backward_input<B>(w.conv_out, batch * T, dlatents, scratch.dreinterpreted);
      B::transpose(shape<T, D>, batch, scratch.dreinterpreted, scratch.dnormalized);
    } else {
      Output::template backward_input<B>(w.conv_out, batch * T, dlatents, scratch.dnormalized);
    }
    B::fill(S{}, scratch.transformer.doutput);
    Norm::template backward<B>(w.ln_post, batch * T, View<const S>(saved.transformer.output), saved.ln_post,
                               View<const S>(scratch.dnormalized), scratch.transformer.doutput, d.ln_post);
    Blocks::template backward<B>(w.transformer, batch, keep, saved.transformer, scratch.transformer, d.transformer);
    B::fill(S{}, scratch.dsequence);
    Norm::template backward<B>(w.ln_pre, batch * rows, View<const S>(saved.sequence), saved.ln_pre,
                               View<const S>(scratch.transformer.dx), scratch.dsequence, d.ln_pre);
    assemble_backward<B>(batch, scratch, d, dlatent_tokens);
    PatchEmbed::template backward_weight<B>(batch * N, View<const S>(saved.patches), View<const S>(scratch.dembedded),
                                            scratch.products, d.patch_embed);
  }

 private:
  /// What conv_out reads: [B, T, D].
  template <class S>
  static View<const S> output_rows(const Saved<S>& saved) {
    if constexpr (config.reinterpreted_latents) return saved.reinterpreted;
    return saved.normalized;
  }

  /// sequence = [class token, patches] + positional_embedding, then latent_tokens + their positions.
  template <Backend B, class P, class S = typename B::Scalar>
  static void assemble(const Tensors<P>& w, View<const S> latent_tokens, Index batch, const Saved<S>& saved) {
    const View<const S> positions = w.positional_embedding;
    if constexpr (config.class_token) {
      B::copy_rows(shape<D>, batch, 1, RowBlock<const S>{w.class_embedding}, first(positions, D),
                   RowBlock<S>{saved.sequence, rows});
    }
    B::copy_rows(shape<D>, batch, N, RowBlock<const S>{saved.embedded, N}, slice(positions, first_patch * D, N * D),
                 RowBlock<S>{saved.sequence, rows, first_patch});
    if constexpr (has_latents) {
      B::copy_rows(shape<D>, batch, T, RowBlock<const S>{latent_tokens},
                   View<const S>(w.latent_token_positional_embedding), RowBlock<S>{saved.sequence, rows, first_latent});
    }
  }

  template <Backend B, class S = typename B::Scalar>
  static void assemble_backward(Index batch, const Scratch<S>& scratch, const Tensors<Wide<S>>& d,
                                View<Wide<S>> dlatent_tokens) {
    const View<const S> dsequence = scratch.dsequence;
    B::sum_rows(shape<D>, batch, first_latent, RowBlock<const S>{dsequence, rows}, d.positional_embedding, 1);
    if constexpr (config.class_token) {
      B::sum_rows(shape<D>, batch, 1, RowBlock<const S>{dsequence, rows}, d.class_embedding, 1);
    }
    if constexpr (has_latents) {
      const RowBlock<const S> dlatent_rows{dsequence, rows, first_latent};
      B::sum_rows(shape<D>, batch, T, dlatent_rows, d.latent_token_positional_embedding, 1);
      B::sum_rows(shape<D>, batch, T, dlatent_rows, dlatent_tokens, 1);
    }
    B::copy_rows(shape<D>, batch, N, RowBlock<const S>{dsequence, rows, first_patch}, View<const S>(),
                 RowBlock<S>{scratch.dembedded, N});
  }
};

}  // namespace tessera
