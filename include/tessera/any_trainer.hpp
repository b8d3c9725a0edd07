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
  /// Names, shapes and places of the weights in a buffer of them.
  [[nodiscard]] virtual const std::vector<Parameter>& parameters() const = 0;

  /// Images that one step takes.
  [[nodiscard]] Index images_per_step() const { return options().images_per_step(); }
  /// One update from images [images_per_step(), C, H, W] in the model's range, and text [images_per_step(), length,
  /// width] where the decoder sees one. Throws Error(bad_argument) for another number of values, NaN and infinity,
  /// after which the state is that of before: Trainer::step.
  virtual StepReport step(View<const float> images, View<const float> text = {}) = 0;
  [[nodiscard]] virtual Index steps_done() const = 0;
  /// Which codes were chosen since the last revival, or in all steps where there is none.
  [[nodiscard]] virtual CodebookUse codebook_use() const = 0;

  /// The weights now, and their moving average (empty where none is kept), in the order of parameters().
  [[nodiscard]] virtual AlignedBuffer<float> weights() const = 0;
  [[nodiscard]] virtual AlignedBuffer<float> averaged_weights() const = 0;
  /// Starts from these weights, in the order of parameters(). Throws Error(bad_argument) for NaN and infinity.
  virtual void set_weights(View<const float> weights) = 0;
  /// A copy of all that the following steps depend on, and the way back to it.
  [[nodiscard]] virtual TrainerState state() const = 0;
  virtual void restore(const TrainerState& state) = 0;
  /// A tokenizer of these weights, in the order of parameters().
  [[nodiscard]] virtual std::unique_ptr<AnyTokenizer> tokenizer(View<const float> weights) const = 0;
  /// Of the weights now; of their moving average where there is one.
  [[nodiscard]] std::unique_ptr<AnyTokenizer> tokenizer() const {
    const AlignedBuffer<float> values = options().ema_decay > 0 ? averaged_weights() : weights();
    return tokenizer(values.view());
  }

  /// Starts from a saved model. Throws Error: file_access, bad_file, mismatch.
  void load_weights(const std::filesystem::path& path) {
    AlignedBuffer<float> values = weights();
    load_parameters(path, config(), parameters(), values.view());
    set_weights(std::as_const(values).view());
  }
  /// Write model files that load without being told their Config, with an image and its tokens: for a moment that needs
  /// the memory of a tokenizer. The tokens are those of this trainer's backend, or of `checker`, a preset of the same
  /// Config: who trains on a GPU may want the processor's. Throw Error(file_access), or bad_argument where there is no
  /// average or a weight is NaN or infinite.
  void save_weights(const std::filesystem::path& path, const Preset* checker = nullptr) const {
    save(path, weights(), checker);
  }
  void save_averaged_weights(const std::filesystem::path& path, const Preset* checker = nullptr) const {
    require_average(options(), path.string());
    save(path, averaged_weights(), checker);
  }
  /// Writes everything that resume() needs, atomically. Throws Error: file_access, or bad_argument for NaN and
  /// infinity.
  void save_checkpoint(const std::filesystem::path& path) const {
    tessera::save_checkpoint(path, config(), options(), parameters(), state());
  }
  /// Goes on from a checkpoint: the following steps give the same bits as if the run had never stopped.
  /// Throws Error: file_access, bad_file, or mismatch when Config or options differ from the checkpoint's.
  void resume(const std::filesystem::path& path) {
    TrainerState saved = state();
    load_checkpoint(path, config(), options(), parameters(), saved);
    restore(saved);
  }

 private:
  void save(const std::filesystem::path& path, const AlignedBuffer<float>& values, const Preset* checker) const {
    const ParameterSource source = [&](const Parameter& p) { return slice(values.view(), p); };
    const std::unique_ptr<AnyTokenizer> encoder = checker ? checker->tokenizer(source) : tokenizer(values.view());
    save_parameters(path, config(), parameters(), values.view(), encoder->self_check());
  }
};

}  // namespace tessera
