// expect: Config::encoder.mlp_ratio must be at least 1.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.encoder.mlp_ratio = 0; });
template struct tessera::CheckedConfig<bad>;
