#include <tessera/compile_preset.hpp>
#include <tessera/presets.hpp>

#include "../presets.hpp"

tessera::Preset program::demo_128() {
  return tessera::preset<tessera::presets::demo_128>("demo_128");
}
