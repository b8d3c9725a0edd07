// expect: Config::latent_tokens must not be negative; 0 means one token per patch.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.latent_tokens = -1; });
template struct tessera::CheckedConfig<bad>;
