// A model's parameters in a safetensors file, under their state-dict names, with the Config in its metadata.
#pragma once

#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <tessera/config.hpp>
#include <tessera/core/layout.hpp>
#include <tessera/io/config_json.hpp>
#include <tessera/io/safetensors.hpp>

namespace tessera {

inline constexpr const char* config_key = "tessera.config";

/// The weights' file of a model: the path itself, or model.safetensors in it where it is a folder.
inline std::filesystem::path model_file(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error) ? path / "model.safetensors" : path;
}

namespace detail {

/// The reference implementation stores every tensor a second time under these names.
inline bool is_alias(std::string_view name) {
  return name.starts_with("encoder.model.") || name.starts_with("decoder.model.");
}

/// Everything that does not fit, as one text; empty when all does.
inline std::string describe_mismatch(const SafetensorsFile& file, const std::vector<Parameter>& parameters) {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : "; ") + what; };
  std::set<std::string_view> expected;
  for (const Parameter& p : parameters) {
    expected.insert(p.name);
    const TensorInfo* tensor = file.find(p.name);
    if (tensor == nullptr) {
      add("no '" + p.name + "' " + to_string(p.dims.to_vector()));
    } else if (tensor->shape != p.dims.to_vector()) {
      add("'" + p.name + "' of shape " + to_string(tensor->shape) + " instead of " + to_string(p.dims.to_vector()));
    }
  }
  for (const TensorInfo& tensor : file.tensors()) {
    if (!expected.contains(tensor.name) && !is_alias(tensor.name)) add("unknown '" + tensor.name + "'");
  }
  return text;
}

}  // namespace detail

/// Whether every parameter is in the file with its shape, and nothing else is.
inline bool fits(const SafetensorsFile& file, const std::vector<Parameter>& parameters) {
  return detail::describe_mismatch(file, parameters).empty();
}

/// The Config that the file's metadata, or config.json beside it, states; nothing where neither does.
/// Throws Error(bad_file) when a Config is there but cannot be read.
inline std::optional<Config> stated_config(const SafetensorsFile& file) {
  const auto found = file.metadata().find(config_key);
  if (found != file.metadata().end()) return config_from_json_text(found->second, file.path());
  const std::filesystem::path beside = std::filesystem::path(file.path()).parent_path() / "config.json";
  std::ifstream stream(beside);
  if (!stream) return std::nullopt;
  const std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (!is_config_json(text)) return std::nullopt;  // other programs' config.json files say other things
  return config_from_json_text(text, beside.string());
}

/// Throws Error(mismatch) when the file states another Config, or with every tensor that does not fit.
inline void check_fits(const SafetensorsFile& file, const Config& config, const std::vector<Parameter>& parameters) {
  const std::optional<Config> stated = stated_config(file);
  if (stated && *stated != config) {
    throw Error(ErrorCode::mismatch, file.path(), "a model of config " + to_json_text(*stated), to_json_text(config));
  }
  const std::string wrong = detail::describe_mismatch(file, parameters);
  if (!wrong.empty()) throw Error(ErrorCode::mismatch, file.path(), wrong, "the tensors of this Config");
}

/// Reads every parameter into `buffer` (ParameterTable<config>::size values); float16 and bfloat16 are widened.
/// Throws Error: file_access, bad_file, or mismatch with all that does not fit.
inline void load_parameters(const std::filesystem::path& path, const Config& config,
                            const std::vector<Parameter>& parameters, View<float> buffer) {
  const SafetensorsFile file(model_file(path));
  check_fits(file, config, parameters);
  for (const Parameter& p : parameters) {
    file.read_float32(*file.find(p.name), slice(buffer, p.offset, p.dims.count()));
  }
}

/// Adds every parameter to what a file will hold, under prefix + name.
inline void append_parameters(std::vector<TensorToWrite>& tensors, const std::string& prefix,
                              const std::vector<Parameter>& parameters, View<const float> buffer) {
  for (const Parameter& p : parameters) {
    tensors.push_back(tensor_to_write(prefix + p.name, p.dims.to_vector(), slice(buffer, p.offset, p.dims.count())));
  }
}

/// Writes a model that loads without being told its Config. Throws Error: file_access, or bad_argument where the buffer
/// is shorter than the parameters, as the moving average of a trainer that keeps none.
inline void save_parameters(const std::filesystem::path& path, const Config& config,
                            const std::vector<Parameter>& parameters, View<const float> buffer) {
  const Index needed = parameters.empty() ? 0 : parameters.back().offset + parameters.back().dims.count();
  if (static_cast<Index>(buffer.size()) < needed) {
    throw Error(ErrorCode::bad_argument, path.string(), std::to_string(buffer.size()) + " values to save",
                std::to_string(needed));
  }
  std::vector<TensorToWrite> tensors;
  append_parameters(tensors, "", parameters, buffer);
  write_safetensors(path, tensors, {{config_key, to_json_text(config)}});
}

}  // namespace tessera
