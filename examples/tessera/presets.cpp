// Every tokenizer that this program knows. Each is compiled on its own, in presets/NAME.cpp; a new one needs that file,
// a declaration here and a place in the list.
#include <array>

#include <tessera/presets.hpp>

#include "program.hpp"

namespace tessera {

extern template Preset trainable_preset<presets::patch_256>(std::string_view);
extern template Preset trainable_preset<presets::latent_256>(std::string_view);
extern template Preset trainable_preset<presets::demo_128>(std::string_view);
extern template Preset trainable_preset<presets::latent_64>(std::string_view);
extern template Preset trainable_preset<presets::tiny_patch>(std::string_view);
extern template Preset trainable_preset<presets::tiny_latent>(std::string_view);
extern template Preset trainable_preset<presets::odd_latent>(std::string_view);
extern template Preset trainable_preset<presets::one_token>(std::string_view);
extern template Preset trainable_preset<presets::tiny_titok_vq>(std::string_view);
extern template Preset trainable_preset<presets::tiny_titok_cosine>(std::string_view);

}  // namespace tessera

namespace program {

using namespace tessera;

View<const Preset> all_presets() {
  static const std::array list{
      trainable_preset<presets::patch_256>("patch_256"),
      trainable_preset<presets::latent_256>("latent_256"),
      trainable_preset<presets::demo_128>("demo_128"),
      trainable_preset<presets::latent_64>("latent_64"),
      trainable_preset<presets::tiny_patch>("tiny_patch"),
      trainable_preset<presets::tiny_latent>("tiny_latent"),
      trainable_preset<presets::odd_latent>("odd_latent"),
      trainable_preset<presets::one_token>("one_token"),
      trainable_preset<presets::tiny_titok_vq>("tiny_titok_vq"),
      trainable_preset<presets::tiny_titok_cosine>("tiny_titok_cosine"),
  };
  return list;
}

}  // namespace program
