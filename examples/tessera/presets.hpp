// The tokenizers that this program knows: those that the CMake option TESSERA_PRESETS lists, each compiled on its own.
#pragma once

#include <array>
#include <string_view>

#include <tessera/any_tokenizer.hpp>

#include "device.hpp"

namespace program {

/// On the cpu, in f32.
tessera::View<const tessera::Preset> all_presets();

/// One of them on cuda.
struct CudaPreset {
  Precision precision;
  tessera::Preset preset;
};
/// It in every precision.
using CudaPrecisions = std::array<CudaPreset, 3>;

/// Those that the CMake option TESSERA_CUDA_PRESETS lists, in every precision; none where TESSERA_CUDA is off.
tessera::View<const CudaPreset> cuda_presets();

/// One that this program was built without.
struct LeftOutPreset {
  std::string_view name;
  tessera::Config config;
};

tessera::View<const LeftOutPreset> left_out_presets();

}  // namespace program
