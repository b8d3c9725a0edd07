// expect: Config::encoder.depth must be at least 1.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.encoder.depth = 0; });
template struct tessera::CheckedConfig<bad>;
