// expect: Config::patch_size must be at least 1.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.patch_size = 0; });
template struct tessera::CheckedConfig<bad>;
