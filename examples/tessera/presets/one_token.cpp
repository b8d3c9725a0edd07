#include <tessera/compile_preset.hpp>
#include <tessera/presets.hpp>

#include "../presets.hpp"

tessera::Preset program::one_token() {
  return tessera::preset<tessera::presets::one_token>("one_token");
}
