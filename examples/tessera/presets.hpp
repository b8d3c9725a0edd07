// The tokenizers that this program knows: those that the CMake option TESSERA_PRESETS lists, each compiled on its own.
#pragma once

#include <tessera/any_tokenizer.hpp>

namespace program {

tessera::View<const tessera::Preset> all_presets();

}  // namespace program
