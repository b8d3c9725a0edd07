// expect: Config::decoder.dim must be at least 1.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.decoder.dim = 0; });
template struct tessera::CheckedConfig<bad>;
