// The templates behind any_tokenizer.hpp and any_trainer.hpp. A program compiles each of its presets in a translation
// unit of its own, and there alone includes this header:
//
//     tessera::Preset my_preset() { return tessera::trainable_preset<my_config>("mine"); }
#pragma once

#include <memory>
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
    tokenizer_.encode(images, ids, margins);
  }
  void latents(View<const float> images, View<float> latents) override { tokenizer_.latents(images, latents); }
  void decode(View<const Token> ids, View<float> images) override { tokenizer_.decode(ids, images); }

 private:
  Tokenizer<configuration, B> tokenizer_;
};

template <Config config, Backend B>
class TrainerOf final : public AnyTrainer {
 public:
  explicit TrainerOf(const TrainOptions& options) : trainer_(options) {}

  void load_weights(const std::filesystem::path& path) override { trainer_.load_weights(path); }
  StepReport step(View<const float> images) override { return trainer_.step(images); }
  [[nodiscard]] Index steps_done() const override { return trainer_.steps_done(); }
  [[nodiscard]] CodebookUse codebook_use() const override { return trainer_.codebook_use(); }
  void save_weights(const std::filesystem::path& path) const override { trainer_.save_weights(path); }
  void save_averaged_weights(const std::filesystem::path& path) const override { trainer_.save_averaged_weights(path); }
  void save_checkpoint(const std::filesystem::path& path) const override { trainer_.save_checkpoint(path); }
  void resume(const std::filesystem::path& path) override { trainer_.resume(path); }
  [[nodiscard]] std::unique_ptr<AnyTokenizer> tokenizer() const override {
    const AlignedBuffer<float> weights =
        trainer_.options().ema_decay > 0 ? trainer_.averaged_weights() : trainer_.weights();
    return std::make_unique<TokenizerOf<config, B>>(Tokenizer<config, B>(weights.view()));
  }

 private:
  Trainer<config, B> trainer_;
};

}  // namespace detail

/// A preset that encodes and decodes.
template <Config config, Backend B = cpu>
Preset preset(std::string_view name) {
  using T = Tokenizer<config, B>;
  return {.name = name,
          .config = config,
          .parameters = ParameterTable<config>::values,
          .batch = T::default_batch,
          .workspace_bytes = T::workspace_bytes(),
          .tensors = &ParameterTable<config>::parameters,
          .load = [](const std::filesystem::path& path) -> std::unique_ptr<AnyTokenizer> {
            return std::make_unique<detail::TokenizerOf<config, B>>(T::load(path));
          },
          .trainer = nullptr};
}

/// As preset(), and can be trained too.
template <Config config, Backend B = cpu>
Preset trainable_preset(std::string_view name) {
  Preset result = preset<config, B>(name);
  result.trainer = [](const TrainOptions& options) -> std::unique_ptr<AnyTrainer> {
    return std::make_unique<detail::TrainerOf<config, B>>(options);
  };
  return result;
}

}  // namespace tessera
