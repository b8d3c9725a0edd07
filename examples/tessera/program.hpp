// What the commands of the program share. One file a command: info.cpp, encode.cpp, decode.cpp, reconstruct.cpp,
// train.cpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include <tessera/any_tokenizer.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/data/resize.hpp>
#include <tessera/io/image_limits.hpp>

#include "device.hpp"
#include "presets.hpp"

namespace program {

using tessera::Index;
using tessera::View;

/// Throws Error(bad_file) where a number of `subject` is NaN or infinite; values are those of images `items`.
inline void require_finite(const std::string& subject, tessera::View<const float> values, View<const Index> items) {
  const auto wrong = std::ranges::find_if_not(values, [](float x) { return std::isfinite(x); });
  if (wrong == values.end()) return;
  const std::size_t each = values.size() / items.size();
  const Index image = items[static_cast<std::size_t>(wrong - values.begin()) / each];
  throw tessera::Error(tessera::ErrorCode::bad_file, subject,
                       (std::isnan(*wrong) ? "NaN" : "infinity") + (" in image " + std::to_string(image)),
                       "finite numbers");
}

/// Calls f(first, count) for parts of `images` images: some for every thread to read and write at once, but no more
/// than little memory holds.
template <class F>
void for_each_part(Index images, const tessera::Config& config, F&& f) {
  constexpr Index most = 64, most_bytes = Index{16} << 20;
  const Index in_memory = most_bytes / (config.image_values() * Index{sizeof(float)});
  const Index part = std::max<Index>(tessera::thread_count(), std::clamp<Index>(in_memory, 1, most));
  for (Index first = 0; first < images; first += part) f(first, std::min(part, images - first));
}

/// Options that contradict each other or are out of range: exit code 2, as for what CLI11 refuses itself.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Of all presets, with spaces between them.
std::string preset_names();

/// The preset called `name`. Throws UsageError that lists them all.
const tessera::Preset& named_preset(const std::string& name);

/// The preset called `name` where it runs there, otherwise nullptr.
const tessera::Preset* find_preset(std::string_view name, RunsOn on);

/// The same preset where it is to run. Throws UsageError that says why the program has none.
const tessera::Preset& preset_on(const tessera::Preset& preset, RunsOn on);

/// A model's file or folder, the preset where the file does not say, and where it is to run.
struct ModelArguments {
  std::filesystem::path path;
  std::string preset;
  RunsOn on;

  [[nodiscard]] const tessera::Preset& find_preset() const;
  /// A tokenizer of its weights. Throws Error as Preset::load, and file_access where the file was shortened meanwhile.
  [[nodiscard]] std::unique_ptr<tessera::AnyTokenizer> load(const tessera::Preset& preset) const;
};

/// How photographs become a model's images.
struct PhotographReading {
  tessera::Filter filter = tessera::Filter::bicubic;
  tessera::ImageLimits limits{};
};

inline constexpr const char* model_path_text =
    "a .safetensors file, or a folder with model.safetensors or its shards and their index";

/// An option that is one of some names, and what each stands for. Throws UsageError that lists them. (CLI11's transform
/// would also take the number behind a name.)
template <class T, class Value>
void add_choice(CLI::App& command, const std::string& option, Value& value, const std::map<std::string, T>& choices,
                const std::string& help) {
  command.add_option_function<std::string>(
      option,
      [option, &value, choices](const std::string& found) {
        const auto choice = choices.find(found);
        if (choice != choices.end()) {
          value = choice->second;
          return;
        }
        std::string names;
        for (const auto& [name, meaning] : choices) names.append(names.empty() ? "" : " or ").append(name);
        throw UsageError(option + ": found '" + found + "', expected " + names);
      },
      help);
}

/// Options that several commands have: --preset; --device and --precision; --model and all of these; the images,
/// --filter and --decode-memory.
void add_preset(CLI::App& command, std::string& preset);
void add_device(CLI::App& command, RunsOn& on);
void add_model(CLI::App& command, ModelArguments& model);
void add_inputs(CLI::App& command, std::vector<std::filesystem::path>& inputs, PhotographReading& reading);
void add_decode_memory(CLI::App& command, tessera::ImageLimits& limits);

/// Each adds a command with its options; what runs it afterwards is stored in `run`.
void add_info(CLI::App& app, std::function<void()>& run);
void add_encode(CLI::App& app, std::function<void()>& run);
void add_decode(CLI::App& app, std::function<void()>& run);
void add_reconstruct(CLI::App& app, std::function<void()>& run);
void add_train(CLI::App& app, std::function<void()>& run);

}  // namespace program
