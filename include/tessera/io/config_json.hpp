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
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ImageSize, height, width)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TransformerConfig, dim, depth, heads, mlp_ratio)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Config, image, channels, patch_size, encoder, decoder, latent_tokens, class_token,
                                   codebook_size, code_dim, metric, range, commitment)

inline std::string to_json_text(const Config& config) {
  return nlohmann::json(config).dump();
}

/// subject: the file that the text comes from. Throws Error(bad_file) when a field is missing or of another type.
inline Config config_from_json_text(std::string_view text, std::string_view subject) {
  try {
    return nlohmann::json::parse(text).get<Config>();
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::bad_file, subject, error.what(), "a tessera Config in JSON");
  }
}

}  // namespace tessera
