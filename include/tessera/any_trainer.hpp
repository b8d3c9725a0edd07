// A trainer chosen at run time, as any_tokenizer.hpp.
#pragma once

#include <filesystem>
#include <memory>

#include <tessera/any_tokenizer.hpp>
#include <tessera/step_report.hpp>
#include <tessera/train_options.hpp>
#include <tessera/vq/codebook_use.hpp>

namespace tessera {

/// Trainer<config> (trainer.hpp) behind virtual functions.
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

}  // namespace tessera
