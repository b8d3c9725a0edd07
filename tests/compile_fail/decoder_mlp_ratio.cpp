// expect: Config::decoder.mlp_ratio must be at least 1.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.decoder.mlp_ratio = 0; });
template struct tessera::CheckedConfig<bad>;
