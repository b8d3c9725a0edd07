// expect: Config::commitment must not be negative.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.commitment = -1; });
template struct tessera::CheckedConfig<bad>;
