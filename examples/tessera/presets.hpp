// Every tokenizer that this program knows. Each is compiled on its own, in presets/NAME.cpp; a new one needs that file,
// a line here and a place in all_presets().
#pragma once

#include <tessera/any_tokenizer.hpp>

namespace program {

tessera::Preset demo_128();
tessera::Preset patch_256();
tessera::Preset latent_256();
tessera::Preset latent_64();
tessera::Preset tiny_patch();
tessera::Preset tiny_latent();
tessera::Preset odd_latent();
tessera::Preset one_token();
tessera::Preset tiny_titok_vq();
tessera::Preset tiny_titok_cosine();

tessera::View<const tessera::Preset> all_presets();

}  // namespace program
