#include <tessera/compile_preset.hpp>
#include <tessera/presets.hpp>

#include "../presets.hpp"

tessera::Preset program::tiny_latent() {
  return tessera::preset<tessera::presets::tiny_latent>("tiny_latent");
}
