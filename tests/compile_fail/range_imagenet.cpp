// expect: Config::range imagenet has a mean and a deviation for 3 colours; set Config::channels to 3.
#include "good_config.hpp"

constexpr tessera::Config bad = changed([](tessera::Config& config) {
  config.channels = 1;
  config.range = tessera::InputRange::imagenet;
});
template struct tessera::CheckedConfig<bad>;
