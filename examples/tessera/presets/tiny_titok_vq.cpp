#include <tessera/compile_preset.hpp>
#include <tessera/presets.hpp>

#include "../presets.hpp"

tessera::Preset program::tiny_titok_vq() {
  return tessera::preset<tessera::presets::tiny_titok_vq>("tiny_titok_vq");
}
