// A model's parameters in safetensors files, under their state-dict names, with the Config in their metadata.
#pragma once

#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <tessera/config.hpp>
#include <tessera/core/layout.hpp>
#include <tessera/io/safetensors.hpp>
#include <tessera/io/self_check.hpp>
#include <tessera/io/stated_config.hpp>
#include <tessera/io/tensor_config.hpp>
#include <tessera/io/tensor_differences.hpp>
#include <tessera/io/weight_file.hpp>

namespace tessera {

namespace detail {

inline std::string join(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : ", ") + text;
  return joined;
}

}  // namespace detail

/// Whether nothing is stated otherwise, every parameter is in the file with its shape, and nothing else is.
inline bool fits(const WeightFile& file, const StatedConfig& stated, const Config& config,
                 const std::vector<Parameter>& parameters) {
  return differences(stated, config).empty() && tensor_differences(file, parameters).count() == 0;
}

/// The error for a file that does not fit: every field that is stated otherwise, or else every tensor. `what` names the
/// Config, if it has a name.
inline Error misfit(const WeightFile& file, const StatedConfig& stated, const Config& config,
                    const std::vector<Parameter>& parameters, const std::string& what = {}) {
  const std::string expected = (what.empty() ? "a " : what + ": a ") + summary(config);
  if (const auto fields = differences(stated, config); !fields.empty()) {
    return {ErrorCode::mismatch, stated.source, detail::join(fields), expected};
  }
  const Config found = config_of_tensors(file);
  std::string text = detail::join(tensor_differences(file, parameters));
  if (found.encoder.dim == 0)
    text = "the tensors of something else: " + text;
  else if (summary(found) != summary(config))
    text = "a " + summary(found) + ": " + text;
  return {ErrorCode::mismatch, file.path(), text, expected};
}

/// Throws Error(bad_file) that names the tensor if a value is NaN or infinite.
inline void check_finite(const StoredTensor& tensor, View<const float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    throw Error(ErrorCode::bad_file, tensor.file->path() + ": '" + tensor.info->name + "'",
                (std::isnan(values[i]) ? "NaN" : "infinity") + (" at element " + std::to_string(i)), "finite weights");
  }
}

/// Reads every parameter into `buffer` (ParameterTable<config>::size values); float16 and bfloat16 are widened.
/// path: as for WeightFile. Throws Error: file_access; bad_file, for NaN and infinity too; mismatch with all that does
/// not fit.
inline void load_parameters(const std::filesystem::path& path, const Config& config,
                            const std::vector<Parameter>& parameters, View<float> buffer) {
  const WeightFile file(path);
  const StatedConfig stated = stated_config(file);
  if (!fits(file, stated, config, parameters)) throw misfit(file, stated, config, parameters);
  const std::string prefix = TensorNames(file).prefix();
  for (const Parameter& p : parameters) {
    const StoredTensor& tensor = *file.find(prefix + p.name);
    const View<float> values = slice(buffer, p.offset, p.dims.count());
    tensor.file->read_float32(*tensor.info, values);
    check_finite(tensor, values);
  }
}

/// Adds every parameter to what a file will hold, under prefix + name.
inline void append_parameters(std::vector<TensorToWrite>& tensors, const std::string& prefix,
                              const std::vector<Parameter>& parameters, View<const float> buffer) {
  for (const Parameter& p : parameters) {
    tensors.push_back(tensor_to_write(prefix + p.name, p.dims.to_vector(), slice(buffer, p.offset, p.dims.count())));
  }
}

/// The check that a model's file carries, if it does. Throws Error(bad_file) for one that is not of this Config.
inline std::optional<SelfCheck> stated_self_check(const WeightFile& file, const Config& config) {
  const auto found = file.metadata().find(self_check_key);
  if (found == file.metadata().end()) return std::nullopt;
  return self_check_from_json_text(found->second, file.path(), config);
}

/// Writes a model that loads without being told its Config, and a check, if there is one. Throws Error: file_access, or
/// bad_argument where the buffer is shorter than the parameters.
inline void save_parameters(const std::filesystem::path& path, const Config& config,
                            const std::vector<Parameter>& parameters, View<const float> buffer,
                            const std::optional<SelfCheck>& check = std::nullopt) {
  const Index needed = parameters.empty() ? 0 : parameters.back().offset + parameters.back().dims.count();
  if (static_cast<Index>(buffer.size()) < needed) {
    throw Error(ErrorCode::bad_argument, path.string(), std::to_string(buffer.size()) + " values to save",
                std::to_string(needed));
  }
  std::vector<TensorToWrite> tensors;
  append_parameters(tensors, "", parameters, buffer);
  std::map<std::string, std::string> metadata{{config_key, to_json_text(config)}};
  if (check) metadata.emplace(self_check_key, to_json_text(*check));
  write_safetensors(path, tensors, metadata);
}

}  // namespace tessera
