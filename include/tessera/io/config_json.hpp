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
// Fields may be left out, as in C++ (models saved before a field existed mean its default), but for required_fields
// below.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ImageSize, height, width)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TransformerConfig, dim, depth, heads, mlp_ratio)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(TextConfig, length, width)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PixelDecoderConfig, hidden_channels, channel_mult, res_blocks,
                                                z_channels, codebook_size)
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

namespace detail {

/// What no Config can do without.
inline constexpr const char* required_fields[] = {"/image/height",  "/image/width",   "/patch_size",  "/encoder/dim",
                                                  "/encoder/depth", "/encoder/heads", "/decoder/dim", "/decoder/depth",
                                                  "/decoder/heads", "/code_dim"};

/// nlohmann converts any number to any other; only commitment is no whole one. Texts that nest without end would use up
/// the stack: a Config's deepest fields are in lists in objects.
inline void check_numbers(const nlohmann::json& json, std::string_view subject, const std::string& field = "",
                          int depth = 0) {
  if (depth > 3) throw Error(ErrorCode::bad_file, subject, field + " in so many brackets", "a tessera Config in JSON");
  for (const auto& [key, value] : json.items()) {
    const std::string name = field.empty() ? key : field + "." + key;
    if (value.is_structured()) check_numbers(value, subject, name, depth + 1);
    const bool whole =
        value.is_number_integer() && (!value.is_number_unsigned() || value.get<std::uint64_t>() >> 63 == 0);
    if (value.is_number() && !whole && name != "commitment") {
      throw Error(ErrorCode::bad_file, subject, name + " " + value.dump(), "a whole number below 2^63");
    }
  }
}

}  // namespace detail

/// subject: the file that the text comes from. Throws Error(bad_file) when a required field is missing, or any field is
/// unknown, of another type or of a value that it cannot have.
inline Config config_from_json_text(std::string_view text, std::string_view subject) {
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    detail::check_numbers(json, subject);
    const Config config = json.get<Config>();
    for (const char* field : detail::required_fields) json.at(nlohmann::json::json_pointer(field));
    // nlohmann takes an unknown name for the first one, and ignores fields that it does not know.
    nlohmann::json complete(Config{});
    complete.merge_patch(json);
    if (nlohmann::json(config) != complete) {
      throw Error(ErrorCode::bad_file, subject, "a Config that reads as " + to_json_text(config), json.dump());
    }
    return config;
  } catch (const nlohmann::json::exception& error) {
    throw Error(ErrorCode::bad_file, subject, error.what(), "a tessera Config in JSON");
  }
}

}  // namespace tessera
