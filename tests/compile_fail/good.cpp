#include "good_config.hpp"

template struct tessera::CheckedConfig<good>;
template struct tessera::CheckedConfig<continuous>;

constexpr tessera::Config legacy = changed([](tessera::Config& config) { config.pixel_decoder = pixel_decoder; });
template struct tessera::CheckedConfig<legacy>;
