#include <tessera/compile_preset.hpp>
#include <tessera/presets.hpp>

#include "../presets.hpp"

tessera::Preset program::patch_256() {
  return tessera::preset<tessera::presets::patch_256>("patch_256");
}
