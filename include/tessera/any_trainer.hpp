// A trainer chosen at run time, as any_tokenizer.hpp.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include <tessera/any_tokenizer.hpp>
#include <tessera/trainer.hpp>

namespace tessera {

/// Trainer<config> behind virtual functions; see there.
class AnyTrainer {
 public:
  virtual ~AnyTrainer() = default;

  virtual void load_weights(const std::filesystem::path& path) = 0;
  virtual StepReport step(View<const float> images) = 0;
  [[nodiscard]] virtual Index steps_done() const = 0;
  [[nodiscard]] virtual CodebookUse codebook_use() const = 0;
  virtual void save_weights(const std::filesystem::path& path) const = 0;
  virtual void save_averaged_weights(const std::filesystem::path& path) const = 0;
  virtual void save_checkpoint(const std::filesystem::path& path) const = 0;
  virtual void resume(const std::filesystem::path& path) = 0;
  /// A tokenizer of the weights now; of their moving average where there is one.
  [[nodiscard]] virtual std::unique_ptr<AnyTokenizer> tokenizer() const = 0;
};

namespace detail {

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
