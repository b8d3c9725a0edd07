// expect: Config::pixel_decoder.channel_mult must have one level more than there are doublings in Config::patch_size.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) {
  config.pixel_decoder = pixel_decoder;
  config.patch_size = 8;
});
template struct tessera::CheckedConfig<bad>;
