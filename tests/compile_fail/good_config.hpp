// A config that breaks no rule; each case changes one field.
#pragma once

#include <tessera/config.hpp>

inline constexpr tessera::Config good{.image = {64, 96},
                                      .channels = 3,
                                      .patch_size = 16,
                                      .encoder = {.dim = 64, .depth = 2, .heads = 4},
                                      .decoder = {.dim = 64, .depth = 2, .heads = 4},
                                      .latent_tokens = 8,
                                      .codebook_size = 256,
                                      .code_dim = 12};

/// Fits good's patches.
inline constexpr tessera::PixelDecoderConfig pixel_decoder{
    .hidden_channels = 64, .channel_mult = {1, 1, 2, 2, 4}, .res_blocks = 2, .z_channels = 8, .codebook_size = 128};

/// good after `change(config)`.
constexpr tessera::Config changed(auto change) {
  tessera::Config config = good;
  change(config);
  return config;
}

/// good without codes.
inline constexpr tessera::Config continuous = changed([](tessera::Config& config) {
  config.quantize_mode = tessera::QuantizeMode::vae;
  config.codebook_size = 0;
});
