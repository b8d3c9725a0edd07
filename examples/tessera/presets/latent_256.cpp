#include <tessera/compile_preset.hpp>
#include <tessera/presets.hpp>

#include "../presets.hpp"

tessera::Preset program::latent_256() {
  return tessera::trainable_preset<tessera::presets::latent_256>("latent_256");
}
