// expect: Config::class_token needs Config::latent_tokens: the patch family has no class token.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) {
  config.latent_tokens = 0;
  config.class_token = true;
});
template struct tessera::CheckedConfig<bad>;
