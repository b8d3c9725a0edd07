// expect: Config::codebook_size must be at most 2^31: a token is a 32-bit integer.
#include "good_config.hpp"

constexpr tessera::Config bad =
    changed([](tessera::Config& config) { config.codebook_size = (tessera::Index{1} << 31) + 1; });
template struct tessera::CheckedConfig<bad>;
