// A training run and its folder: RUN/log.jsonl, RUN/checkpoint.safetensors, RUN/model.safetensors, RUN/ema.safetensors
// and RUN/samples/.
#pragma once

#include <filesystem>

#include <tessera/data/dataset.hpp>

#include "program.hpp"

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

/// Makes the folder. Throws Error(file_access) if it cannot be made, or holds a run that is not to be resumed.
void prepare_run_folder(const RunArguments& run);

/// Trains from where `trainer` is to the last step. SIGINT and SIGTERM end it after the step, saved.
void run_training(const RunArguments& run, const tessera::TrainOptions& options, const tessera::Preset& preset,
                  tessera::AnyTrainer& trainer, tessera::Dataset& dataset);

}  // namespace program
