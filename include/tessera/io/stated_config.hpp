// What a model's file, or config.json beside it, says of its Config: tessera's own JSON, or the published TiTok code's.
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <tessera/config.hpp>
#include <tessera/io/config_json.hpp>
#include <tessera/io/mapped_file.hpp>
#include <tessera/io/weight_file.hpp>

namespace tessera {

inline constexpr const char* config_key = "tessera.config";

/// A statement about a Config. Where neither form is there, nothing is stated.
struct StatedConfig {
  std::string source;              ///< the file that says it
  std::optional<Config> config{};  ///< tessera's own, complete
  nlohmann::json published{};      ///< the whole config.json of the published code, which leaves much to the tensors

  [[nodiscard]] bool states_something() const { return config.has_value() || !published.is_null(); }
};

namespace detail {

/// The value behind a field of the published config.json, for error lines.
inline std::string short_dump(const nlohmann::json& value) {
  if (value.is_structured()) return value.is_object() ? "{...}" : "[...]";
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// The published code's names of transformer sizes; empty for others.
inline std::string size_name(const TransformerConfig& t) {
  if (t == TransformerConfig{.dim = 512, .depth = 8, .heads = 8}) return "small";
  if (t == TransformerConfig{.dim = 768, .depth = 12, .heads = 12}) return "base";
  if (t == TransformerConfig{.dim = 1024, .depth = 24, .heads = 16}) return "large";
  return {};
}

/// Compares a Config with a config.json of https://github.com/bytedance/1d-tokenizer (modeling/titok.py, modules/
/// blocks.py), whose defaults count where a field is missing; what has no default there may be left out here.
class PublishedComparison {
 public:
  explicit PublishedComparison(const nlohmann::json& published) : published_(published) {}

  std::vector<std::string> differences(const Config& c) {
    const std::string model = "/model/vq_model/";
    check(model + "is_legacy", c.reinterpreted_latents, true);
    check(model + "finetune_decoder", c.has_pixel_decoder(), true);
    check(model + "quantize_mode", c.has_codes() ? "vq" : "vae", "vq");
    check(model + "num_latent_tokens", c.latent_tokens);
    check(model + "token_size", c.code_dim);
    check(model + "vit_enc_patch_size", c.patch_size);
    check(model + "vit_dec_patch_size", c.patch_size);
    check(model + "vit_enc_model_size", size_name(c.encoder));
    check(model + "vit_dec_model_size", size_name(c.decoder));
    check("/dataset/preprocessing/crop_size", c.image.height);
    if (c.image.width != c.image.height) check("/dataset/preprocessing/crop_size", c.image.width);
    if (c.has_codes()) {
      check(model + "codebook_size", c.codebook_size);
      check(model + "use_l2_norm", c.metric == Metric::cosine);
    }
    if (c.has_text()) {
      check(model + "text_context_length", c.text.length, 77);
      check(model + "text_embed_dim", c.text.width, 768);
    }
    return std::move(differences_);
  }

 private:
  void check(const std::string& pointer, const nlohmann::json& expected, const nlohmann::json& fallback = {}) {
    const nlohmann::json::json_pointer field(pointer);
    const bool stated = published_.contains(field);
    const nlohmann::json& found = stated ? published_.at(field) : fallback;
    if (found.is_null() || found == expected) return;
    const std::string text = stated ? field.back() + " " + short_dump(found)
                                    : "no " + field.back() + ", which means " + short_dump(found) + ",";
    differences_.push_back(text + " instead of " + short_dump(expected));
  }

  const nlohmann::json& published_;
  std::vector<std::string> differences_;
};

/// Every field in which two Configs differ.
inline std::vector<std::string> config_differences(const Config& found, const Config& expected) {
  const nlohmann::json a = nlohmann::json(found).flatten(), b = nlohmann::json(expected).flatten();
  std::vector<std::string> differences;
  for (const auto& [field, value] : a.items()) {
    if (value == b.at(field)) continue;
    std::string name = field.substr(1);
    std::ranges::replace(name, '/', '.');
    differences.push_back(name + " " + value.dump() + " instead of " + b.at(field).dump());
  }
  return differences;
}

}  // namespace detail

/// Reads the statement: the file's metadata, or config.json in its folder. Throws Error: bad_file where one is there
/// but cannot be read as what it is meant to be, file_access where config.json cannot be opened.
inline StatedConfig stated_config(const WeightFile& file) {
  const auto found = file.metadata().find(config_key);
  if (found != file.metadata().end()) return {file.path(), config_from_json_text(found->second, file.path())};
  const auto beside = std::filesystem::path(file.path()).parent_path() / "config.json";
  std::error_code error;
  const auto status = std::filesystem::status(beside, error);
  if (status.type() == std::filesystem::file_type::not_found) return {};
  const MappedFile text_file(beside);
  const std::string_view text(reinterpret_cast<const char*>(text_file.bytes().data()), text_file.bytes().size());
  if (is_config_json(text)) return {beside.string(), config_from_json_text(text, beside.string())};
  nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  const nlohmann::json::json_pointer model("/model/vq_model");
  if (!json.is_object() || !json.contains(model)) return {};  // other programs' config.json files say other things
  if (!json.at(model).is_object()) {
    throw Error(ErrorCode::bad_file, beside.string(), "a model.vq_model that is no object",
                "the fields of a TiTok model");
  }
  return {beside.string(), std::nullopt, std::move(json)};
}

/// What is stated otherwise than `config` has it, field by field; empty where all agrees or nothing is stated.
inline std::vector<std::string> differences(const StatedConfig& stated, const Config& config) {
  if (stated.config) return detail::config_differences(*stated.config, config);
  if (!stated.published.is_null()) return detail::PublishedComparison(stated.published).differences(config);
  return {};
}

}  // namespace tessera
