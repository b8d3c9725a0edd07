#include <tessera/compile_preset.hpp>
#include <tessera/presets.hpp>

#include "../presets.hpp"

tessera::Preset program::patch_256() {
  return tessera::trainable_preset<tessera::presets::patch_256>("patch_256");
}
