#include <tessera/any_trainer.hpp>
#include <tessera/presets.hpp>

template tessera::Preset tessera::trainable_preset<tessera::presets::latent_64>(std::string_view);
