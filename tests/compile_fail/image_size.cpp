// expect: Config::image must be at least 1 x 1; set {height, width}.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.image.height = 0; });
template struct tessera::CheckedConfig<bad>;
