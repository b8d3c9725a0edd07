// expect: Config::text needs a length and a width of at least 1, or neither.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.text.length = 77; });
template struct tessera::CheckedConfig<bad>;
