#include <tessera/any_trainer.hpp>
#include <tessera/presets.hpp>

template tessera::Preset tessera::trainable_preset<tessera::presets::demo_128>(std::string_view);
