// expect: Config::decoder.dim must be a multiple of Config::decoder.heads: heads are equal slices of the width.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.decoder.heads = 5; });
template struct tessera::CheckedConfig<bad>;
