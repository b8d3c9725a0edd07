// Named configurations.
#pragma once

#include <tessera/config.hpp>

namespace tessera::presets {

namespace detail {

inline constexpr TransformerConfig small{.dim = 512, .depth = 8, .heads = 8};
inline constexpr TransformerConfig base{.dim = 768, .depth = 12, .heads = 12};
inline constexpr TransformerConfig large{.dim = 1024, .depth = 24, .heads = 16};

constexpr Config titok(TransformerConfig encoder, TransformerConfig decoder, Index tokens) {
  return {.image = {256, 256},
          .patch_size = 16,
          .encoder = encoder,
          .decoder = decoder,
          .latent_tokens = tokens,
          .class_token = true,
          .codebook_size = 8192,
          .code_dim = 64};
}

/// With the quantizer taken out: a Gaussian of `dim` values for each token.
constexpr Config continuous(Config c, Index dim) {
  c.codebook_size = 0;
  c.code_dim = dim;
  c.quantize_mode = QuantizeMode::vae;
  return c;
}

constexpr Config text_aware(Config c, TextConfig text) {
  c.text = text;
  return c;
}

/// CLIP's 77 embeddings of 768 values.
constexpr Config tatitok(TransformerConfig encoder, TransformerConfig decoder, Index tokens) {
  return text_aware(titok(encoder, decoder, tokens), {.length = 77, .width = 768});
}

/// The first published models: MaskGIT-VQGAN's decoder at the end, and a bug that their weights rely on.
constexpr Config legacy(Config c, PixelDecoderConfig pixel_decoder) {
  c.reinterpreted_latents = true;
  c.pixel_decoder = pixel_decoder;
  return c;
}

constexpr Config titok_legacy(TransformerConfig encoder, TransformerConfig decoder, Index tokens) {
  Config c = titok(encoder, decoder, tokens);
  c.codebook_size = 4096;
  c.code_dim = 12;
  c.metric = Metric::cosine;
  return legacy(c, {.hidden_channels = 128,
                    .channel_mult = {1, 1, 2, 2, 4},
                    .res_blocks = 2,
                    .z_channels = 256,
                    .codebook_size = 1024});
}

}  // namespace detail

/// The reference description's model: one token per 64 x 64 patch, codes as wide as the network.
inline constexpr Config patch_256{.image = {256, 256},
                                  .patch_size = 64,
                                  .encoder = {.dim = 1024, .depth = 12, .heads = 16},
                                  .decoder = {.dim = 1024, .depth = 12, .heads = 16},
                                  .codebook_size = 8192,
                                  .code_dim = 1024,
                                  .range = InputRange::minus_one_one};

/// The reference implementation's model: 128 learned latent tokens.
inline constexpr Config latent_256{.image = {256, 256},
                                   .patch_size = 16,
                                   .encoder = {.dim = 128, .depth = 1, .heads = 8},
                                   .decoder = {.dim = 128, .depth = 1, .heads = 8},
                                   .latent_tokens = 128,
                                   .codebook_size = 512,
                                   .code_dim = 32,
                                   .range = InputRange::imagenet};

/// The demo model in examples/models: a 128 x 128 photograph in 256 tokens of one byte each.
inline constexpr Config demo_128{.image = {128, 128},
                                 .patch_size = 8,
                                 .encoder = {.dim = 128, .depth = 4, .heads = 2},
                                 .decoder = {.dim = 128, .depth = 4, .heads = 2},
                                 .codebook_size = 256,
                                 .code_dim = 12,
                                 .metric = Metric::cosine,
                                 .range = InputRange::minus_one_one};

/// A small model of the latent family, to try training with: a 64 x 64 picture in 32 tokens.
inline constexpr Config latent_64{.image = {64, 64},
                                  .patch_size = 8,
                                  .encoder = {.dim = 192, .depth = 4, .heads = 3},
                                  .decoder = {.dim = 192, .depth = 4, .heads = 3},
                                  .latent_tokens = 32,
                                  .codebook_size = 1024,
                                  .code_dim = 12,
                                  .metric = Metric::cosine,
                                  .range = InputRange::minus_one_one};

/// Small models with reference outputs in tests/golden.
inline constexpr Config tiny_patch{.image = {32, 32},
                                   .patch_size = 8,
                                   .encoder = {.dim = 32, .depth = 2, .heads = 4},
                                   .decoder = {.dim = 48, .depth = 2, .heads = 3},
                                   .codebook_size = 48,
                                   .code_dim = 12,
                                   .range = InputRange::minus_one_one};
inline constexpr Config tiny_latent{.image = {32, 32},
                                    .patch_size = 8,
                                    .encoder = {.dim = 32, .depth = 2, .heads = 4},
                                    .decoder = {.dim = 48, .depth = 2, .heads = 3},
                                    .latent_tokens = 6,
                                    .codebook_size = 48,
                                    .code_dim = 12,
                                    .range = InputRange::imagenet};
inline constexpr Config odd_latent{.image = {42, 42},
                                   .patch_size = 14,
                                   .encoder = {.dim = 60, .depth = 2, .heads = 3},
                                   .decoder = {.dim = 36, .depth = 1, .heads = 4},
                                   .latent_tokens = 5,
                                   .codebook_size = 37,
                                   .code_dim = 7,
                                   .range = InputRange::imagenet};
inline constexpr Config one_token{.image = {24, 24},
                                  .patch_size = 12,
                                  .encoder = {.dim = 40, .depth = 1, .heads = 1},
                                  .decoder = {.dim = 24, .depth = 1, .heads = 1},
                                  .latent_tokens = 1,
                                  .codebook_size = 3,
                                  .code_dim = 2,
                                  .range = InputRange::imagenet};

/// The small models of the TiTok family.
inline constexpr Config tiny_titok_vq{.image = {32, 32},
                                      .patch_size = 8,
                                      .encoder = {.dim = 32, .depth = 2, .heads = 4},
                                      .decoder = {.dim = 48, .depth = 2, .heads = 3},
                                      .latent_tokens = 6,
                                      .class_token = true,
                                      .codebook_size = 48,
                                      .code_dim = 12};
inline constexpr Config tiny_titok_cosine = [] {
  Config c = tiny_titok_vq;
  c.metric = Metric::cosine;
  return c;
}();
inline constexpr Config tiny_titok_vae = detail::continuous(tiny_titok_vq, 12);
inline constexpr Config tiny_tatitok_vq = detail::text_aware(tiny_titok_vq, {.length = 7, .width = 20});
inline constexpr Config tiny_tatitok_vae = detail::text_aware(tiny_titok_vae, {.length = 7, .width = 20});
inline constexpr Config tiny_titok_legacy = detail::legacy(
    tiny_titok_cosine,
    {.hidden_channels = 32, .channel_mult = {1, 1, 1, 2}, .res_blocks = 2, .z_channels = 16, .codebook_size = 64});

/// The published checkpoints of TiTok (Yu et al. 2024, arXiv:2406.07550) and TA-TiTok (Kim et al. 2025,
/// arXiv:2501.07730), with the names of their files: the encoder's and the decoder's size (the first three say one
/// letter for both), then the number of tokens. All of 256 x 256 images in [0, 1].
inline constexpr Config titok_l32 = detail::titok_legacy(detail::large, detail::large, 32);
inline constexpr Config titok_b64 = detail::titok_legacy(detail::base, detail::base, 64);
inline constexpr Config titok_s128 = detail::titok_legacy(detail::small, detail::small, 128);
inline constexpr Config titok_bl64_vq8k = detail::titok(detail::base, detail::large, 64);
inline constexpr Config titok_bl128_vq8k = detail::titok(detail::base, detail::large, 128);
inline constexpr Config titok_sl256_vq8k = detail::titok(detail::small, detail::large, 256);
inline constexpr Config titok_ll32_vae_c16 = detail::continuous(detail::titok(detail::large, detail::large, 32), 16);
inline constexpr Config titok_bl64_vae_c16 = detail::continuous(titok_bl64_vq8k, 16);
inline constexpr Config titok_bl128_vae_c16 = detail::continuous(titok_bl128_vq8k, 16);
inline constexpr Config tatitok_bl32_vq = detail::tatitok(detail::base, detail::large, 32);
inline constexpr Config tatitok_bl64_vq = detail::tatitok(detail::base, detail::large, 64);
inline constexpr Config tatitok_bl128_vq = detail::tatitok(detail::base, detail::large, 128);
inline constexpr Config tatitok_bl32_vae = detail::continuous(tatitok_bl32_vq, 16);
inline constexpr Config tatitok_bl64_vae = detail::continuous(tatitok_bl64_vq, 16);
inline constexpr Config tatitok_sl128_vae = detail::continuous(detail::tatitok(detail::small, detail::large, 128), 16);

}  // namespace tessera::presets
