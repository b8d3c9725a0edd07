#include <tessera/compile_preset.hpp>
#include <tessera/presets.hpp>

#include "../presets.hpp"

tessera::Preset program::tiny_titok_cosine() {
  return tessera::preset<tessera::presets::tiny_titok_cosine>("tiny_titok_cosine");
}
