// expect: Config::reinterpreted_latents needs Config::latent_tokens.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) {
  config.reinterpreted_latents = true;
  config.latent_tokens = 0;
});
template struct tessera::CheckedConfig<bad>;
