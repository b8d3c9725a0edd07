#include "device.hpp"

#include <map>

#include "program.hpp"

namespace program {

using namespace tessera;

namespace {

const std::map<std::string, Device> devices{{"cpu", Device::cpu}, {"cuda", Device::cuda}};
const std::map<std::string, Precision> precisions{
    {"f32", Precision::f32}, {"tf32", Precision::tf32}, {"bf16", Precision::bf16}};

template <class T>
std::string name_in(const std::map<std::string, T>& names, T value) {
  return std::ranges::find(names, value, &std::pair<const std::string, T>::second)->first;
}

/// Of the presets that run there, with spaces between them.
std::string names_on(RunsOn on) {
  std::string names;
  for (const CudaPreset& one : cuda_presets()) {
    if (one.precision == on.precision) names.append(names.empty() ? "" : " ").append(one.preset.name);
  }
  return names;
}

}  // namespace

std::string name_of(Device device) {
  return name_in(devices, device);
}

std::string name_of(Precision precision) {
  return name_in(precisions, precision);
}

const Preset* find_preset(std::string_view name, RunsOn on) {
  if (on.device == Device::cpu) {
    return on.precision == Precision::f32 ? tessera::find_preset(all_presets(), name) : nullptr;
  }
  for (const CudaPreset& one : cuda_presets()) {
    if (one.precision == on.precision && one.preset.name == name) return &one.preset;
  }
  return nullptr;
}

const Preset& preset_on(const Preset& preset, RunsOn on) {
  if (const Preset* found = find_preset(preset.name, on)) return *found;
  if (on.device == Device::cpu) {
    throw UsageError("--precision: found '" + name_of(on.precision) +
                     "' for the cpu, which computes in f32 alone, expected f32, or --device cuda");
  }
  if (cuda_presets().empty()) {
    throw UsageError(
        "--device: found 'cuda', which this program was built without (cmake --preset cuda builds it), expected cpu");
  }
  throw UsageError("--device: found 'cuda' for preset " + std::string(preset.name) +
                   ", which this program was built without (-DTESSERA_CUDA_PRESETS lists what is built), expected cpu, "
                   "or a model of " +
                   names_on(on));
}

void add_device(CLI::App& command, RunsOn& on) {
  add_choice(command, "--device", on.device, devices,
             "where the model runs: cpu (default) or cuda, the first NVIDIA GPU");
  add_choice(command, "--precision", on.precision, precisions,
             "f32 (default): on cuda meant to give the cpu's tokens wherever their margin exceeds 1e-4; tf32 or "
             "bf16: on cuda alone, meant to be faster, and tokens may differ");
}

}  // namespace program
