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

/// good after `change(config)`.
constexpr tessera::Config changed(auto change) {
  tessera::Config config = good;
  change(config);
  return config;
}
