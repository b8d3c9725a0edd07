// expect: Config::encoder.dim must be a multiple of Config::encoder.heads: heads are equal slices of the width.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.encoder.heads = 5; });
template struct tessera::CheckedConfig<bad>;
