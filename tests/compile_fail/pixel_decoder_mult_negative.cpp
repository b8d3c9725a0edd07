// expect: Config::pixel_decoder.channel_mult must be numbers of at least 1, then nothing but 0.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) {
  config.pixel_decoder = pixel_decoder;
  config.pixel_decoder.channel_mult[4] = -4;
});
template struct tessera::CheckedConfig<bad>;
