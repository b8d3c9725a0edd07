// A training run and its folder: RUN/data.json, RUN/log.jsonl, RUN/checkpoint.safetensors, RUN/model.safetensors,
// RUN/ema.safetensors and RUN/samples/.
#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

#include <tessera/any_trainer.hpp>
#include <tessera/data/dataset.hpp>

#include "broken_photographs.hpp"
#include "program.hpp"
#include "texts.hpp"

namespace program {

struct RunArguments {
  std::filesystem::path folder;
  bool resume = false;
  Index checkpoint_every = 500;
  Index sample_every = 500;
};

inline std::filesystem::path checkpoint_file(const std::filesystem::path& run) {
  return run / "checkpoint.safetensors";
}

inline std::filesystem::path model_file(const std::filesystem::path& run) {
  return run / "model.safetensors";
}

inline std::filesystem::path averaged_model_file(const std::filesystem::path& run) {
  return run / "ema.safetensors";
}

inline std::filesystem::path log_file(const std::filesystem::path& run) {
  return run / "log.jsonl";
}

inline std::filesystem::path samples_folder(const std::filesystem::path& run) {
  return run / "samples";
}

/// Throws Error(file_access) where the folder has no checkpoint to resume, one that is not to be resumed, or a model
/// alone.
void check_run_folder(const RunArguments& run);

/// Notes in the folder what the images are, beside what the checkpoint knows. A run that is resumed must be given the
/// same ones. Throws Error: file_access, mismatch.
void note_data(const RunArguments& run, const nlohmann::ordered_json& data);

/// Trains from where `trainer` is to the last step. A signal (signals.hpp) ends it after the step, saved: throws
/// Stopped. Any error ends it with the steps done so far saved; log lines and sample pictures that cannot be written do
/// not end it. Models that are saved carry the tokens of `preset` on the cpu (info --verify), wherever the trainer
/// runs.
void run_training(const RunArguments& run, const tessera::Preset& preset, tessera::AnyTrainer& trainer,
                  tessera::Dataset& dataset, const Texts& texts, BrokenPhotographs& broken);

}  // namespace program
