// The templates behind any_tokenizer.hpp and any_trainer.hpp. A program compiles each of its presets in a translation
// unit of its own, and there alone includes this header:
//
//     tessera::Preset my_preset() { return tessera::preset<my_config>("mine"); }
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <tessera/any_trainer.hpp>
#include <tessera/tokenizer.hpp>
#include <tessera/trainer.hpp>

namespace tessera {

namespace detail {

template <Config configuration, Backend B>
class TokenizerOf final : public AnyTokenizer {
 public:
  explicit TokenizerOf(Tokenizer<configuration, B> tokenizer) : tokenizer_(std::move(tokenizer)) {}

  [[nodiscard]] const Config& config() const override { return CheckedConfig<configuration>::value; }
  void encode(View<const float> images, View<Token> ids, View<float> margins) override {
    if constexpr (configuration.has_codes()) return tokenizer_.encode(images, ids, margins);
    refuse("encode", "ids of a model with continuous tokens", "latents");
  }
  void latents(View<const float> images, View<float> latents) override {
    if constexpr (configuration.has_codes()) return tokenizer_.latents(images, latents);
    refuse("latents", "a model with continuous tokens", "encode");
  }
  void decode(View<const Token> ids, View<float> images, View<const float> text) override {
    if constexpr (configuration.has_codes()) return tokenizer_.decode(ids, images, text);
    refuse("decode", "ids for a model with continuous tokens", "latents");
  }
  void encode(View<const float> images, View<float> latents, View<const float> noise) override {
    if constexpr (!configuration.has_codes()) return tokenizer_.encode(images, latents, noise);
    refuse("encode", "continuous tokens of a model with a codebook", "ids");
  }
  void decode(View<const float> latents, View<float> images, View<const float> text) override {
    if constexpr (!configuration.has_codes()) return tokenizer_.decode(latents, images, text);
    refuse("decode", "continuous tokens for a model with a codebook", "ids");
  }

 private:
  [[noreturn]] static void refuse(const char* function, const char* found, const char* expected) {
    throw Error(ErrorCode::bad_argument, std::string("AnyTokenizer::") + function, found, expected);
  }

  Tokenizer<configuration, B> tokenizer_;
};

template <Config configuration, Backend B>
class TrainerOf final : public AnyTrainer {
 public:
  explicit TrainerOf(const TrainOptions& options) : trainer_(options) {}

  [[nodiscard]] const Config& config() const override { return CheckedConfig<configuration>::value; }
  [[nodiscard]] const TrainOptions& options() const override { return trainer_.options(); }
  [[nodiscard]] const std::vector<Parameter>& parameters() const override {
    return ParameterTable<configuration>::parameters();
  }
  StepReport step(View<const float> images, View<const float> text) override { return trainer_.step(images, text); }
  [[nodiscard]] Index steps_done() const override { return trainer_.steps_done(); }
  [[nodiscard]] CodebookUse codebook_use() const override { return trainer_.codebook_use(); }
  [[nodiscard]] AlignedBuffer<float> weights() const override { return trainer_.weights(); }
  [[nodiscard]] AlignedBuffer<float> averaged_weights() const override { return trainer_.averaged_weights(); }
  void set_weights(View<const float> weights) override { trainer_.set_weights(weights); }
  [[nodiscard]] TrainerState state() const override { return trainer_.state(); }
  void restore(const TrainerState& state) override { trainer_.restore(state); }
  [[nodiscard]] std::unique_ptr<AnyTokenizer> tokenizer(View<const float> weights) const override {
    constexpr Index batch = 1;  // for a few pictures, with little memory beside training's
    return std::make_unique<TokenizerOf<configuration, B>>(Tokenizer<configuration, B>(weights, batch));
  }

 private:
  Trainer<configuration, B> trainer_;
};

}  // namespace detail

/// The preset of a Config: encodes, decodes and trains.
template <Config config, Backend B = cpu>
Preset preset(std::string_view name) {
  using T = Tokenizer<config, B>;
  return {.name = name,
          .config = config,
          .parameters = ParameterTable<config>::values,
          .buffer_size = ParameterTable<config>::size,
          .batch = T::default_batch,
          .encode_bytes = T::encode_bytes(),
          .decode_bytes = T::decode_bytes(),
          .weight_bytes = &T::weight_bytes,
          .tensors = &ParameterTable<config>::parameters,
          .tokenizer = [](const ParameterSource& source) -> std::unique_ptr<AnyTokenizer> {
            return std::make_unique<detail::TokenizerOf<config, B>>(T(source));
          },
          .trainer = [](const TrainOptions& options) -> std::unique_ptr<AnyTrainer> {
            return std::make_unique<detail::TrainerOf<config, B>>(options);
          }};
}

}  // namespace tessera
