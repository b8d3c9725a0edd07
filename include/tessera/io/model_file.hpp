// A model's parameters in safetensors files, under their state-dict names, with the Config in their metadata.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <tessera/config.hpp>
#include <tessera/core/error.hpp>
#include <tessera/core/finite.hpp>
#include <tessera/core/layout.hpp>
#include <tessera/io/safetensors.hpp>
#include <tessera/io/self_check.hpp>
#include <tessera/io/stated_config.hpp>
#include <tessera/io/tensor_config.hpp>
#include <tessera/io/tensor_differences.hpp>
#include <tessera/io/weight_file.hpp>

namespace tessera {

namespace detail {

/// The first of them.
inline std::string join(const std::vector<std::string>& texts) {
  constexpr std::size_t most = 4;
  std::string joined;
  for (const std::string& text : View<const std::string>(texts).first(std::min(texts.size(), most))) {
    joined += (joined.empty() ? "" : ", ") + text;
  }
  if (texts.size() > most) joined += " and " + std::to_string(texts.size() - most) + " more";
  return joined;
}

}  // namespace detail

/// Whether nothing is stated otherwise, every parameter is in the file with its shape, and nothing else is.
inline bool fits(const WeightFile& file, const StatedConfig& stated, const Config& config,
                 const std::vector<Parameter>& parameters) {
  return differences(stated, config).empty() && tensor_differences(file, parameters).count() == 0;
}

/// The error for a file that does not fit: the first fields that are stated otherwise, or else the first tensors, and
/// how many more there are (info --json lists all). `what` names the Config, if it has a name.
inline Error misfit(const WeightFile& file, const StatedConfig& stated, const Config& config,
                    const std::vector<Parameter>& parameters, const std::string& what = {}) {
  const std::string expected = (what.empty() ? "a " : what + ": a ") + summary(config);
  if (const auto fields = differences(stated, config); !fields.empty()) {
    return {ErrorCode::mismatch, stated.source, detail::join(fields), expected};
  }
  const TensorDifferences tensors = tensor_differences(file, parameters);
  const Config found = config_of_tensors(file);
  const bool other_sizes = found.encoder.dim != 0 && summary(found) != summary(config);
  const std::string kind = found.encoder.dim == 0 ? "the tensors of something else: "
                           : other_sizes          ? "a " + summary(found) + ": "
                                                  : std::string();
  return {ErrorCode::mismatch, file.path(), kind + detail::join(tensors, kind.empty() ? 4 : 1), expected};
}

/// A ParameterSource: a model's values straight from its mapped file, or widened where they are not float32.
class ModelSource {
 public:
  /// path: as for WeightFile. Throws Error: file_access; bad_file; mismatch with all that does not fit.
  ModelSource(const std::filesystem::path& path, const Config& config, const std::vector<Parameter>& parameters)
      : file_(path), prefix_(TensorNames(file_).prefix()) {
    const StatedConfig stated = stated_config(file_);
    if (!fits(file_, stated, config, parameters)) throw misfit(file_, stated, config, parameters);
  }

  /// Throws Error(bad_file) that names the tensor for NaN and infinity.
  View<const float> operator()(const Parameter& parameter) {
    if (last_ != nullptr) last_->file->release(*last_->info);
    last_ = file_.find(prefix_ + parameter.name);
    View<const float> values = last_->file->float32_values(*last_->info);
    if (values.empty()) {
      widened_.resize(static_cast<std::size_t>(parameter.dims.count()));
      last_->file->read_float32(*last_->info, widened_);
      values = widened_;
    }
    check_finite(last_->file->path(), last_->info->name, values);
    return values;
  }

 private:
  WeightFile file_;
  std::string prefix_;
  const StoredTensor* last_ = nullptr;  // whose values are in use
  std::vector<float> widened_;
};

/// Reads every parameter into `buffer` (ParameterTable<config>::size values). Throws Error as ModelSource.
inline void load_parameters(const std::filesystem::path& path, const Config& config,
                            const std::vector<Parameter>& parameters, View<float> buffer) {
  ModelSource source(path, config, parameters);
  for (const Parameter& p : parameters) {
    const View<const float> values = source(p);
    std::ranges::copy(values, slice(buffer, p).begin());
  }
}

/// Adds every parameter to what a file will hold, under prefix + name.
inline void append_parameters(std::vector<TensorToWrite>& tensors, const std::string& prefix,
                              const std::vector<Parameter>& parameters, View<const float> buffer) {
  for (const Parameter& p : parameters) {
    tensors.push_back(tensor_to_write(prefix + p.name, p.dims.to_vector(), slice(buffer, p)));
  }
}

/// The check that a model's file carries, if it does. Throws Error(bad_file) for one that is not of this Config.
inline std::optional<SelfCheck> stated_self_check(const WeightFile& file, const Config& config) {
  const auto found = file.metadata().find(self_check_key);
  if (found == file.metadata().end()) return std::nullopt;
  return self_check_from_json_text(found->second, file.path(), config);
}

/// Encodes again the image that a model's file carries, as run_self_check(). Throws Error(mismatch) where it has other
/// tokens now, or the file carries none.
template <class Encode>
void verify_model_file(const std::filesystem::path& path, const Config& config, Encode&& encode) {
  const WeightFile file(path);
  const std::optional<SelfCheck> check = stated_self_check(file, config);
  if (!check) throw Error(ErrorCode::mismatch, file.path(), "no image to check", "a model that tessera saved");
  require_passed(file.path(), run_self_check(config, *check, encode));
}

/// Writes a model that loads without being told its Config, and a check, if there is one. Throws Error: file_access, or
/// bad_argument where the buffer is shorter than the parameters or one of them is NaN or infinite; an older file then
/// stays as it is.
inline void save_parameters(const std::filesystem::path& path, const Config& config,
                            const std::vector<Parameter>& parameters, View<const float> buffer,
                            const std::optional<SelfCheck>& check = std::nullopt) {
  const Index needed = parameters.empty() ? 0 : parameters.back().offset + parameters.back().dims.count();
  if (static_cast<Index>(buffer.size()) < needed) {
    throw Error(ErrorCode::bad_argument, path.string(), std::to_string(buffer.size()) + " values to save",
                std::to_string(needed));
  }
  for (const Parameter& p : parameters) {
    check_finite(path.string(), p.name, slice(buffer, p), ErrorCode::bad_argument);
  }
  std::vector<TensorToWrite> tensors;
  append_parameters(tensors, "", parameters, buffer);
  std::map<std::string, std::string> metadata{{config_key, to_json_text(config)}};
  if (check) metadata.emplace(self_check_key, to_json_text(*check));
  write_safetensors(path, tensors, metadata);
}

}  // namespace tessera
