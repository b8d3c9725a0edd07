#include "presets.hpp"

#include <array>

namespace program {

tessera::View<const tessera::Preset> all_presets() {
  static const std::array list{demo_128(),    patch_256(),  latent_256(), latent_64(),     tiny_patch(),
                               tiny_latent(), odd_latent(), one_token(),  tiny_titok_vq(), tiny_titok_cosine()};
  return list;
}

}  // namespace program
