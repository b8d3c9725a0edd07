// Named configurations.
#pragma once

#include <tessera/config.hpp>

namespace tessera::presets {

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
inline constexpr Config tiny_titok_cosine{.image = {32, 32},
                                          .patch_size = 8,
                                          .encoder = {.dim = 32, .depth = 2, .heads = 4},
                                          .decoder = {.dim = 48, .depth = 2, .heads = 3},
                                          .latent_tokens = 6,
                                          .class_token = true,
                                          .codebook_size = 48,
                                          .code_dim = 12,
                                          .metric = Metric::cosine};

}  // namespace tessera::presets
