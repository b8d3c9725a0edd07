// What a model's file, or config.json beside it, says of its Config: tessera's own JSON, or the published TiTok code's.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/config.hpp>
#include <tessera/io/config_json.hpp>
#include <tessera/io/json_file.hpp>
#include <tessera/io/weight_file.hpp>

namespace tessera {

inline constexpr const char* config_key = "tessera.config";

/// A statement about a Config. Where neither form is there, nothing is stated.
struct StatedConfig {
  std::string source;              ///< the file that says it
  std::optional<Config> config{};  ///< tessera's own, complete
  /// The whole config.json of the published code, which leaves much to the tensors.
  std::optional<JsonValue> published{};

  [[nodiscard]] bool states_something() const { return config.has_value() || published.has_value(); }
};

namespace detail {

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
  explicit PublishedComparison(const JsonValue& published) : published_(published) {}

  std::vector<std::string> differences(const Config& c) {
    const std::string model = "model.vq_model.";
    check(model + "is_legacy", json_text_of(c.reinterpreted_latents), "true");
    check(model + "finetune_decoder", json_text_of(c.has_pixel_decoder()), "true");
    check(model + "quantize_mode", json_text_of(c.quantize_mode), json_text_of(QuantizeMode::vq));
    check(model + "num_latent_tokens", json_text_of(c.latent_tokens));
    check(model + "token_size", json_text_of(c.code_dim));
    check(model + "vit_enc_patch_size", json_text_of(c.patch_size));
    check(model + "vit_dec_patch_size", json_text_of(c.patch_size));
    check(model + "vit_enc_model_size", "\"" + size_name(c.encoder) + "\"");
    check(model + "vit_dec_model_size", "\"" + size_name(c.decoder) + "\"");
    const std::string side = "dataset.preprocessing.crop_size";
    check(side, json_text_of(c.image.height));
    if (c.image.width != c.image.height) check(side, json_text_of(c.image.width));
    if (c.has_codes()) {
      check(model + "codebook_size", json_text_of(c.codebook_size));
      check(model + "use_l2_norm", json_text_of(c.metric == Metric::cosine));
    }
    if (c.has_text()) {
      check(model + "text_context_length", json_text_of(c.text.length), "77");
      check(model + "text_embed_dim", json_text_of(c.text.width), "768");
    }
    return std::move(differences_);
  }

 private:
  /// `expected` and what a missing field means are JSON; a field that is null says nothing.
  void check(const std::string& path, const std::string& expected, const std::string& fallback = "null") {
    const JsonValue* const stated = published_.find_path(path);
    const std::string found = stated != nullptr ? stated->summary() : fallback;
    if (found == "null" || found == expected) return;
    const std::string name = path.substr(path.rfind('.') + 1);
    differences_.push_back((stated != nullptr ? name + " " + found : "no " + name + ", which means " + found + ",") +
                           " instead of " + expected);
  }

  const JsonValue& published_;
  std::vector<std::string> differences_;
};

/// Every field in which two Configs differ.
inline std::vector<std::string> config_differences(const Config& found, const Config& expected) {
  const std::map<std::string, std::string> wanted = fields_of(expected);
  std::vector<std::string> differences;
  for (const auto& [field, value] : fields_of(found)) {
    if (value != wanted.at(field)) differences.push_back(field + " " + value + " instead of " + wanted.at(field));
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
  JsonValue json = read_json_file(beside, "the JSON of a model's config");
  if (is_config_json(json)) return {beside.string(), config_from_json(json, beside.string())};
  const JsonValue* const model = json.find_path("model.vq_model");
  if (model == nullptr) return {};  // other programs' config.json files say other things
  if (!model->is_object()) {
    throw Error(ErrorCode::bad_file, beside.string(), "a model.vq_model that is no object",
                "the fields of a TiTok model");
  }
  return {beside.string(), std::nullopt, std::move(json)};
}

/// What is stated otherwise than `config` has it, field by field; empty where all agrees or nothing is stated.
inline std::vector<std::string> differences(const StatedConfig& stated, const Config& config) {
  if (stated.config) return detail::config_differences(*stated.config, config);
  if (stated.published) return detail::PublishedComparison(*stated.published).differences(config);
  return {};
}

}  // namespace tessera
