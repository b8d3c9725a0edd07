// A trainer chosen at run time, as any_tokenizer.hpp.
#pragma once

#include <filesystem>
#include <memory>

#include <tessera/any_tokenizer.hpp>
#include <tessera/io/checkpoint.hpp>
#include <tessera/step_report.hpp>
#include <tessera/train_options.hpp>
#include <tessera/vq/codebook_use.hpp>

namespace tessera {

/// Trainer<config> (trainer.hpp) behind virtual functions. Files are read and written here, so that presets compile
/// none of it.
class AnyTrainer {
 public:
  virtual ~AnyTrainer() = default;

  [[nodiscard]] virtual const Config& config() const = 0;
  [[nodiscard]] virtual const TrainOptions& options() const = 0;
  [[nodiscard]] virtual const std::vector<Parameter>& parameters() const = 0;
  virtual StepReport step(View<const float> images) = 0;
  [[nodiscard]] virtual Index steps_done() const = 0;
  [[nodiscard]] virtual CodebookUse codebook_use() const = 0;
  [[nodiscard]] virtual AlignedBuffer<float> weights() const = 0;
  [[nodiscard]] virtual AlignedBuffer<float> averaged_weights() const = 0;
  virtual void set_weights(View<const float> weights) = 0;
  [[nodiscard]] virtual TrainerState state() const = 0;
  virtual void restore(const TrainerState& state) = 0;
  /// A tokenizer of the weights now; of their moving average where there is one.
  [[nodiscard]] virtual std::unique_ptr<AnyTokenizer> tokenizer() const = 0;

  void load_weights(const std::filesystem::path& path) {
    AlignedBuffer<float> values = weights();
    load_parameters(path, config(), parameters(), values.view());
    set_weights(std::as_const(values).view());
  }
  void save_weights(const std::filesystem::path& path) const { save(path, weights()); }
  void save_averaged_weights(const std::filesystem::path& path) const { save(path, averaged_weights()); }
  void save_checkpoint(const std::filesystem::path& path) const {
    tessera::save_checkpoint(path, config(), options(), parameters(), state());
  }
  void resume(const std::filesystem::path& path) {
    TrainerState saved = state();
    load_checkpoint(path, config(), options(), parameters(), saved);
    restore(saved);
  }

 private:
  void save(const std::filesystem::path& path, const AlignedBuffer<float>& values) const {
    save_parameters(path, config(), parameters(), values.view());
  }
};

}  // namespace tessera
