// expect: Config::pixel_decoder.hidden_channels must be at least 1 where there is a pixel decoder.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) {
  config.pixel_decoder = pixel_decoder;
  config.pixel_decoder.hidden_channels = 0;
});
template struct tessera::CheckedConfig<bad>;
