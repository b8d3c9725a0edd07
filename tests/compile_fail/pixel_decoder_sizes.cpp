// expect: Config::pixel_decoder needs res_blocks, z_channels and codebook_size of at least 1.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) {
  config.pixel_decoder = pixel_decoder;
  config.pixel_decoder.res_blocks = 0;
});
template struct tessera::CheckedConfig<bad>;
