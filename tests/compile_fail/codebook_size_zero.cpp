// expect: Config::codebook_size must be at least 1.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.codebook_size = 0; });
template struct tessera::CheckedConfig<bad>;
