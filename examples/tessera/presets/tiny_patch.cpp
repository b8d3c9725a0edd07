#include <tessera/compile_preset.hpp>
#include <tessera/presets.hpp>

#include "../presets.hpp"

tessera::Preset program::tiny_patch() {
  return tessera::preset<tessera::presets::tiny_patch>("tiny_patch");
}
