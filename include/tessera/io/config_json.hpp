// Config as JSON: what a saved model carries, and what config.json in a model's folder says.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <tessera/config.hpp>
#include <tessera/core/error.hpp>

namespace tessera {

NLOHMANN_JSON_SERIALIZE_ENUM(Metric, {{Metric::euclidean, "euclidean"}, {Metric::cosine, "cosine"}})
NLOHMANN_JSON_SERIALIZE_ENUM(InputRange, {{InputRange::zero_one, "zero_one"},
                                          {InputRange::minus_one_one, "minus_one_one"},
                                          {InputRange::imagenet, "imagenet"}})
NLOHMANN_JSON_SERIALIZE_ENUM(QuantizeMode, {{QuantizeMode::vq, "vq"}, {QuantizeMode::vae, "vae"}})
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ImageSize, height, width)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TransformerConfig, dim, depth, heads, mlp_ratio)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TextConfig, length, width)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PixelDecoderConfig, hidden_channels, channel_mult, res_blocks, z_channels,
                                   codebook_size)
// Fields may be left out, as in C++: models saved before a field existed mean its default.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Config, image, channels, patch_size, encoder, decoder, latent_tokens,
                                                class_token, codebook_size, code_dim, metric, range, commitment,
                                                quantize_mode, text, reinterpreted_latents, pixel_decoder)

inline std::string to_json_text(const Config& config) {
  return nlohmann::json(config).dump();
}

/// Whether a text is meant to be a Config: another program's JSON has its fields deeper inside, or not at all. A text
/// that is no JSON counts, so that whoever reads it says what is wrong.
inline bool is_config_json(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  return json.is_discarded() || (json.is_object() && json.contains("code_dim") && json.contains("patch_size"));
}

/// subject: the file that the text comes from. Throws Error(bad_file) when a field is missing, unknown, of another type
/// or of a value that it cannot have.
inline Config config_from_json_text(std::string_view text, std::string_view subject) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    const Config config = json.get<Config>();
    for (const char* field : {"image", "patch_size", "encoder", "decoder", "code_dim"}) json.at(field);
    // nlohmann cuts fractions off, takes an unknown name for the first one, and ignores fields that it does not know.
    nlohmann::json complete(Config{});
    complete.update(json);
    if (nlohmann::json(config) != complete) {
      throw Error(ErrorCode::bad_file, subject, "a Config that reads as " + to_json_text(config), json.dump());
    }
    return config;
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::bad_file, subject, error.what(), "a tessera Config in JSON");
  }
}

}  // namespace tessera
