#include <tessera/any_trainer.hpp>
#include <tessera/presets.hpp>

template tessera::Preset tessera::trainable_preset<tessera::presets::tiny_titok_cosine>(std::string_view);
