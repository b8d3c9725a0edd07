// Finding models, and the options that several commands have.
#include <tessera/data/image_folder.hpp>

#include "program.hpp"

#include "mapped_files.hpp"
#include "numbers.hpp"

namespace program {

using namespace tessera;

std::string preset_names() {
  std::string names;
  for (const Preset& preset : all_presets()) names.append(names.empty() ? "" : " ").append(preset.name);
  return names;
}

namespace {

constexpr const char* left_out_text = ", which this program was built without (-DTESSERA_PRESETS=all builds every one)";

/// Throws Error(mismatch) where the tensors are of a preset that this program was built without.
void check_left_out(const std::filesystem::path& path) {
  const WeightFile file(path);
  const std::string found = summary(config_of_tensors(file));
  std::string names;
  for (const LeftOutPreset& one : left_out_presets()) {
    if (summary(one.config) == found) names.append(names.empty() ? "" : " or ").append(one.name);
  }
  if (names.empty()) return;
  throw Error(ErrorCode::mismatch, path.string(), "a model of preset " + names + left_out_text,
              "one of " + preset_names());
}

/// The one preset that fits.
const Preset& fitting_preset(const std::filesystem::path& path) {
  std::vector<const Preset*> fitting;
  try {
    fitting = fitting_presets(all_presets(), path);
  } catch (const Error&) {
    check_left_out(path);
    throw;
  }
  if (fitting.size() == 1) return *fitting.front();
  std::string names;
  for (const Preset* one : fitting) names.append(names.empty() ? "" : ", ").append(one->name);
  throw Error(ErrorCode::mismatch, path.string(), "tensors of several presets: " + names, "--preset NAME");
}

}  // namespace

const Preset& named_preset(const std::string& name) {
  if (const Preset* preset = tessera::find_preset(all_presets(), name)) return *preset;
  for (const LeftOutPreset& one : left_out_presets()) {
    if (one.name == name) {
      throw UsageError("--preset: found '" + name + "'" + left_out_text + ", expected one of " + preset_names());
    }
  }
  throw UsageError("--preset: found '" + name + "', expected one of " + preset_names());
}

const Preset& ModelArguments::find_preset() const {
  return preset_on(preset.empty() ? fitting_preset(path) : named_preset(preset), on);
}

std::unique_ptr<AnyTokenizer> ModelArguments::load(const Preset& preset) const {
  std::unique_ptr<AnyTokenizer> tokenizer = preset.load(path);
  check_mapped_files();  // before anything is made of zeros
  return tokenizer;
}

void add_preset(CLI::App& command, std::string& preset) {
  command.add_option("--preset", preset, "the model's sizes, where its file does not say: " + preset_names());
}

void add_model(CLI::App& command, ModelArguments& model) {
  command.add_option("--model", model.path, model_path_text)->required();
  add_preset(command, model.preset);
  add_device(command, model.on);
}

void add_decode_memory(CLI::App& command, ImageLimits& limits) {
  command
      .add_option_function<std::string>(
          "--decode-memory",
          [&limits](const std::string& text) {
            limits.memory = static_cast<std::size_t>(parse_number("--decode-memory", text, 0.001, 1e6) * (1 << 30));
          },
          "GiB that decoding one photograph may take; what needs more counts as broken (default: 1)")
      ->type_name("FLOAT");
}

void add_inputs(CLI::App& command, std::vector<std::filesystem::path>& inputs, PhotographReading& reading) {
  static const std::map<std::string, Filter> filters{
      {"bilinear", Filter::bilinear}, {"bicubic", Filter::bicubic}, {"lanczos", Filter::lanczos}};
  command
      .add_option("inputs", inputs,
                  std::string("JPEG and PNG files, folders of them, or one .npy: float32 [B,C,H,W] in the model's "
                              "range (-1 to 1, 0 to 1, or ImageNet's -2.1 to 2.6: see info) or uint8 [B,H,W,C]. ") +
                      tessera::image_folder_rule)
      ->required();
  add_choice(command, "--filter", reading.filter, filters,
             "how photographs are resized before their centre is cropped: bilinear, bicubic (default) or lanczos");
  add_decode_memory(command, reading.limits);
}

}  // namespace program
