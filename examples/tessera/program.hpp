// What the commands of the program share. One file a command: info.cpp, encode.cpp, decode.cpp, reconstruct.cpp,
// train.cpp.
#pragma once

#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <tessera/any_tokenizer.hpp>
#include <tessera/data/resize.hpp>

#include "presets.hpp"

namespace program {

using tessera::Index;
using tessera::View;

/// Options that contradict each other or are out of range: exit code 2, as for what CLI11 refuses itself.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The preset called `name`. Throws UsageError that lists them all.
const tessera::Preset& named_preset(const std::string& name);

/// A model's file or folder, and the preset where the file does not say.
struct ModelArguments {
  std::filesystem::path path;
  std::string preset;

  [[nodiscard]] const tessera::Preset& find_preset() const;
  [[nodiscard]] std::unique_ptr<tessera::AnyTokenizer> load() const;
};

inline constexpr const char* model_path_text =
    "a .safetensors file, or a folder with model.safetensors or its shards and their index";

/// Options that several commands have: --preset; --model and --preset; the images and --filter.
void add_preset(CLI::App& command, std::string& preset);
void add_model(CLI::App& command, ModelArguments& model);
void add_inputs(CLI::App& command, std::vector<std::filesystem::path>& inputs, tessera::Filter& filter);

/// Creates a folder for results where there is none. Throws Error(file_access).
void make_folder(const std::filesystem::path& folder);

/// Each adds a command with its options; what runs it afterwards is stored in `run`.
void add_info(CLI::App& app, std::function<void()>& run);
void add_encode(CLI::App& app, std::function<void()>& run);
void add_decode(CLI::App& app, std::function<void()>& run);
void add_reconstruct(CLI::App& app, std::function<void()>& run);
void add_train(CLI::App& app, std::function<void()>& run);

}  // namespace program
