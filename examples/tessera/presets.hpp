// The tokenizers that this program knows: those that the CMake option TESSERA_PRESETS lists, each compiled on its own.
#pragma once

#include <string_view>

#include <tessera/any_tokenizer.hpp>

namespace program {

tessera::View<const tessera::Preset> all_presets();

/// One that this program was built without.
struct LeftOutPreset {
  std::string_view name;
  tessera::Config config;
};

tessera::View<const LeftOutPreset> left_out_presets();

}  // namespace program
