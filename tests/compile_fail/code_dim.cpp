// expect: Config::code_dim must be at least 1.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.code_dim = 0; });
template struct tessera::CheckedConfig<bad>;
