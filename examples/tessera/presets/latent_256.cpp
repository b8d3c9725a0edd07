#include <tessera/compile_preset.hpp>
#include <tessera/presets.hpp>

#include "../presets.hpp"

tessera::Preset program::latent_256() {
  return tessera::preset<tessera::presets::latent_256>("latent_256");
}
