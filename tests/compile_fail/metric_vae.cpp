// expect: Config::metric cosine needs codes; set Config::quantize_mode to vq.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) {
  config.quantize_mode = tessera::QuantizeMode::vae;
  config.codebook_size = 0;
  config.metric = tessera::Metric::cosine;
});
template struct tessera::CheckedConfig<bad>;
