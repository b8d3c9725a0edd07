// expect: Config::decoder.heads must be at least 1.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.decoder.heads = 0; });
template struct tessera::CheckedConfig<bad>;
