// expect: Config::patch_size must divide both sides of Config::image; pad or resize the image.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) { config.image.width = 100; });
template struct tessera::CheckedConfig<bad>;
