// Checkpoints of a training run: one safetensors file with every buffer, the Config, the options and the step.
#pragma once

#include <filesystem>
#include <list>
#include <map>
#include <string>
#include <vector>

#include <tessera/io/model_file.hpp>

namespace tessera {

inline constexpr const char* options_key = "tessera.train_options";
inline constexpr const char* step_key = "tessera.step";

/// Collects buffers, which must stay alive until `write`.
class CheckpointWriter {
 public:
  CheckpointWriter(const Config& config, std::string options, Index step)
      : metadata_{
            {config_key, to_json_text(config)}, {options_key, std::move(options)}, {step_key, std::to_string(step)}} {}

  void add_parameters(const std::string& prefix, const std::vector<Parameter>& parameters, View<const float> buffer) {
    append_parameters(tensors_, prefix, parameters, buffer);
  }
  template <class T>
  void add(const std::string& name, View<const T> values) {
    tensors_.push_back(tensor_to_write(name, {static_cast<Index>(values.size())}, values));
  }
  /// Atomic. Throws Error(file_access).
  void write(const std::filesystem::path& path) const { write_safetensors(path, tensors_, metadata_); }

 private:
  std::map<std::string, std::string> metadata_;
  std::vector<TensorToWrite> tensors_;
};

/// Reads a checkpoint of the same Config and options. Throws Error: file_access, bad_file, mismatch.
class CheckpointReader {
 public:
  CheckpointReader(const std::filesystem::path& path, const Config& config, const nlohmann::json& options)
      : file_(path) {
    if (metadata(config_key) != to_json_text(config)) {
      throw Error(ErrorCode::mismatch, file_.path(), "a checkpoint of config " + metadata(config_key),
                  to_json_text(config));
    }
    check_options(options);
  }

  [[nodiscard]] Index step() const {
    try {
      return static_cast<Index>(std::stoll(metadata(step_key)));
    } catch (const std::logic_error&) {
      throw Error(ErrorCode::bad_file, file_.path(), "step '" + metadata(step_key) + "'", "a number");
    }
  }

  void read_parameters(const std::string& prefix, const std::vector<Parameter>& parameters, View<float> buffer) const {
    for (const Parameter& p : parameters) read(prefix + p.name, slice(buffer, p.offset, p.dims.count()));
  }
  template <class T>
  void read(const std::string& name, View<T> values) const {
    const TensorInfo* tensor = file_.find(name);
    if (tensor == nullptr) throw Error(ErrorCode::mismatch, file_.path(), "no '" + name + "'", "a whole checkpoint");
    file_.read(*tensor, values);
  }

 private:
  [[nodiscard]] const std::string& metadata(const char* key) const {
    const auto found = file_.metadata().find(key);
    if (found == file_.metadata().end()) {
      throw Error(ErrorCode::mismatch, file_.path(), std::string("no metadata '") + key + "'", "a tessera checkpoint");
    }
    return found->second;
  }

  /// A run goes on with its own options: others would make it another run.
  void check_options(const nlohmann::json& options) const {
    const nlohmann::json saved = nlohmann::json::parse(metadata(options_key), nullptr, false).flatten();
    const nlohmann::json wanted = options.flatten();
    for (const auto& [name, value] : wanted.items()) {
      if (!saved.contains(name) || saved[name] != value) {
        throw Error(ErrorCode::mismatch, file_.path(),
                    "option " + name.substr(1) + " " + (saved.contains(name) ? saved[name].dump() : "missing"),
                    value.dump() + ", as this run is told");
      }
    }
  }

  SafetensorsFile file_;
};

}  // namespace tessera
