// Config as JSON: what a saved model carries, and what config.json in a model's folder says.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <tessera/config.hpp>
#include <tessera/core/error.hpp>
#include <tessera/io/json.hpp>
#include <tessera/io/json_fields.hpp>

namespace tessera {

constexpr std::array<std::pair<Metric, std::string_view>, 2> json_names(Metric) {
  return {{{Metric::euclidean, "euclidean"}, {Metric::cosine, "cosine"}}};
}
constexpr std::array<std::pair<InputRange, std::string_view>, 3> json_names(InputRange) {
  return {{{InputRange::zero_one, "zero_one"},
           {InputRange::minus_one_one, "minus_one_one"},
           {InputRange::imagenet, "imagenet"}}};
}
constexpr std::array<std::pair<QuantizeMode, std::string_view>, 2> json_names(QuantizeMode) {
  return {{{QuantizeMode::vq, "vq"}, {QuantizeMode::vae, "vae"}}};
}

template <class T, class Struct>
concept MaybeConst = std::is_same_v<std::remove_const_t<T>, Struct>;

template <MaybeConst<ImageSize> T, class Visitor>
void visit_fields(T& size, Visitor&& visit) {
  visit("height", size.height);
  visit("width", size.width);
}
template <MaybeConst<TransformerConfig> T, class Visitor>
void visit_fields(T& transformer, Visitor&& visit) {
  visit("depth", transformer.depth);
  visit("dim", transformer.dim);
  visit("heads", transformer.heads);
  visit("mlp_ratio", transformer.mlp_ratio);
}
template <MaybeConst<TextConfig> T, class Visitor>
void visit_fields(T& text, Visitor&& visit) {
  visit("length", text.length);
  visit("width", text.width);
}
template <MaybeConst<PixelDecoderConfig> T, class Visitor>
void visit_fields(T& decoder, Visitor&& visit) {
  visit("channel_mult", decoder.channel_mult);
  visit("codebook_size", decoder.codebook_size);
  visit("hidden_channels", decoder.hidden_channels);
  visit("res_blocks", decoder.res_blocks);
  visit("z_channels", decoder.z_channels);
}
template <MaybeConst<Config> T, class Visitor>
void visit_fields(T& config, Visitor&& visit) {
  visit("channels", config.channels);
  visit("class_token", config.class_token);
  visit("code_dim", config.code_dim);
  visit("codebook_size", config.codebook_size);
  visit("commitment", config.commitment);
  visit("decoder", config.decoder);
  visit("encoder", config.encoder);
  visit("image", config.image);
  visit("latent_tokens", config.latent_tokens);
  visit("metric", config.metric);
  visit("patch_size", config.patch_size);
  visit("pixel_decoder", config.pixel_decoder);
  visit("quantize_mode", config.quantize_mode);
  visit("range", config.range);
  visit("reinterpreted_latents", config.reinterpreted_latents);
  visit("text", config.text);
}

inline std::string to_json_text(const Config& config) {
  return json_text_of(config);
}

/// Whether a document is meant to be a Config: another program's has its fields deeper inside, or not at all.
inline bool is_config_json(const JsonValue& json) {
  return json.find("code_dim") != nullptr && json.find("patch_size") != nullptr;
}

namespace detail {

/// What no Config can do without.
inline constexpr const char* required_fields[] = {"image.height",  "image.width",   "patch_size",  "encoder.dim",
                                                  "encoder.depth", "encoder.heads", "decoder.dim", "decoder.depth",
                                                  "decoder.heads", "code_dim"};

}  // namespace detail

/// Fields may be left out, as in C++ (models saved before a field existed mean its default), but for required_fields.
/// subject: the file that the text comes from. Throws Error(bad_file) when a required field is missing, or any field is
/// unknown, of another type or of a value that it cannot have.
inline Config config_from_json(const JsonValue& json, std::string_view subject) {
  Config config;
  read_json(json, config, subject);
  for (const char* field : detail::required_fields) {
    if (json.find_path(field) != nullptr) continue;
    throw Error(ErrorCode::bad_file, subject, std::string("no field ") + field, "a tessera Config in JSON");
  }
  return config;
}
inline Config config_from_json_text(std::string_view text, std::string_view subject) {
  return config_from_json(parse_json(text, subject, "a tessera Config in JSON"), subject);
}

}  // namespace tessera
