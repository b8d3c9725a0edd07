#include <tessera/any_trainer.hpp>
#include <tessera/presets.hpp>

template tessera::Preset tessera::trainable_preset<tessera::presets::tiny_latent>(std::string_view);
