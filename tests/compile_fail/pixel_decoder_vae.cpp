// expect: Config::pixel_decoder needs codes; set Config::quantize_mode to vq.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) {
  config.pixel_decoder = pixel_decoder;
  config.quantize_mode = tessera::QuantizeMode::vae;
  config.codebook_size = 0;
});
template struct tessera::CheckedConfig<bad>;
