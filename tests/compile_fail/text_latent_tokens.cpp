// expect: Config::text needs Config::latent_tokens: the patch family's decoder takes no text.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) {
  config.text = {.length = 77, .width = 768};
  config.latent_tokens = 0;
});
template struct tessera::CheckedConfig<bad>;
