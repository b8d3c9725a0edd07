// expect: Config::codebook_size must be 0 where Config::quantize_mode is vae: continuous latents have no codes.
#include "good_config.hpp"

constexpr tessera::Config bad =
    changed([](tessera::Config& config) { config.quantize_mode = tessera::QuantizeMode::vae; });
template struct tessera::CheckedConfig<bad>;
