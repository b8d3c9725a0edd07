#include <tessera/compile_preset.hpp>
#include <tessera/presets.hpp>

#include "../presets.hpp"

tessera::Preset program::latent_64() {
  return tessera::preset<tessera::presets::latent_64>("latent_64");
}
