#include <tessera/any_trainer.hpp>
#include <tessera/presets.hpp>

template tessera::Preset tessera::trainable_preset<tessera::presets::one_token>(std::string_view);
