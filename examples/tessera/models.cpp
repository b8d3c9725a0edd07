// Finding the preset of a model.
#include "program.hpp"

namespace program {

using namespace tessera;

const Preset& named_preset(const std::string& name) {
  if (const Preset* preset = tessera::find_preset(all_presets(), name)) return *preset;
  std::string names;
  for (const Preset& preset : all_presets()) names.append(" ").append(preset.name);
  throw UsageError("--preset: found '" + name + "', expected one of" + names);
}

const Preset& ModelArguments::find_preset() const {
  return preset.empty() ? preset_of(all_presets(), path) : named_preset(preset);
}

std::unique_ptr<AnyTokenizer> ModelArguments::load() const {
  return find_preset().load(path);
}

void add_preset(CLI::App& command, std::string& preset) {
  command.add_option("--preset", preset, "the model's sizes, where its file does not say");
}

}  // namespace program
