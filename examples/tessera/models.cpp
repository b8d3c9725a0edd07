// Finding models, and the options that several commands have.
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
  if (!preset.empty()) return named_preset(preset);
  const std::vector<const Preset*> fitting = fitting_presets(all_presets(), path);
  if (fitting.size() == 1) return *fitting.front();
  std::string names;
  for (const Preset* one : fitting) names.append(names.empty() ? "" : ", ").append(one->name);
  throw Error(ErrorCode::mismatch, path.string(), "tensors of several presets: " + names, "--preset NAME");
}

std::unique_ptr<AnyTokenizer> ModelArguments::load() const {
  return find_preset().load(path);
}

void add_preset(CLI::App& command, std::string& preset) {
  command.add_option("--preset", preset, "the model's sizes, where its file does not say");
}

void add_model(CLI::App& command, ModelArguments& model) {
  command.add_option("--model", model.path, model_path_text)->required();
  add_preset(command, model.preset);
}

void add_inputs(CLI::App& command, std::vector<std::filesystem::path>& inputs, Filter& filter) {
  static const std::map<std::string, Filter> filters{
      {"bilinear", Filter::bilinear}, {"bicubic", Filter::bicubic}, {"lanczos", Filter::lanczos}};
  command
      .add_option("inputs", inputs,
                  "JPEG and PNG files, folders of them, or one .npy: float32 [B,C,H,W] in the model's range or uint8 "
                  "[B,H,W,C]")
      ->required();
  command
      .add_option("--filter", filter,
                  "how photographs are resized before their centre is cropped: bilinear, bicubic (default) or lanczos")
      ->transform(CLI::CheckedTransformer(filters).description(""));
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!std::filesystem::is_directory(folder)) {
    throw Error(ErrorCode::file_access, folder.string(), error ? error.message() : "something that is no folder",
                "a folder that can be made");
  }
}

}  // namespace program
