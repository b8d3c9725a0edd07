// expect: Config::pixel_decoder.hidden_channels must be a multiple of 32, the groups of its norms.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) {
  config.pixel_decoder = pixel_decoder;
  config.pixel_decoder.hidden_channels = 48;
});
template struct tessera::CheckedConfig<bad>;
