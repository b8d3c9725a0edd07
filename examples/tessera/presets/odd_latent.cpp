#include <tessera/compile_preset.hpp>
#include <tessera/presets.hpp>

#include "../presets.hpp"

tessera::Preset program::odd_latent() {
  return tessera::preset<tessera::presets::odd_latent>("odd_latent");
}
