#include "training_run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>

#include <tessera/data/model_pixels.hpp>
#include <tessera/io/atomic_file.hpp>
#include <tessera/io/image.hpp>

#include "outputs.hpp"
#include "pictures.hpp"
#include "program.hpp"
#include "signals.hpp"
#include "training_log.hpp"

namespace program {

using namespace tessera;

namespace {

class TrainingRun {
 public:
  TrainingRun(const RunArguments& arguments, const Preset& preset, AnyTrainer& trainer, Dataset& dataset,
              const Texts& texts)
      : arguments_(arguments),
        preset_(preset),
        options_(trainer.options()),
        config_(trainer.config()),
        trainer_(trainer),
        dataset_(dataset),
        texts_(texts),
        images_(static_cast<std::size_t>(trainer.images_per_step() * config_.image_values())),
        log_(log_file(arguments.folder), trainer.steps_done()),
        progress_(trainer.steps_done() + 1, options_.schedule.steps, trainer.images_per_step()) {}

  void run() {
    const Index steps = options_.schedule.steps;
    Index saved = -1;
    while (trainer_.steps_done() < steps && !stop_requested()) {
      const Index step = run_step();
      if (step % arguments_.checkpoint_every == 0 && step < steps) save(), saved = step;
      if (arguments_.sample_every > 0 && (step % arguments_.sample_every == 0 || step == steps)) save_samples(step);
    }
    progress_.finish();
    if (saved != trainer_.steps_done()) save();
    if (trainer_.steps_done() < steps) {
      throw Stopped("stopped and saved after step " + std::to_string(trainer_.steps_done()) + " of " +
                    std::to_string(steps) + ": --resume goes on from there");
    }
    std::fprintf(stderr, "done after step %td: %s\n", steps, model_file(arguments_.folder).c_str());
  }

 private:
  Index run_step() {
    const auto start = std::chrono::steady_clock::now();
    const Index count = trainer_.images_per_step(), step = trainer_.steps_done() + 1;
    dataset_.read((step - 1) * count, count, images_);
    const std::vector<float> text = texts_.of(dataset_.items((step - 1) * count, count));
    const CodebookUse use = options_.codebook.revives_in(step) ? trainer_.codebook_use() : CodebookUse{};
    const StepReport report = trainer_.step(images_, text);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    nlohmann::ordered_json line{{"step", report.step},
                                {"loss", report.loss},
                                {"reconstruction_loss", report.reconstruction_loss},
                                {"codebook_loss", report.codebook_loss},
                                {"commitment_loss", report.commitment_loss},
                                {"kl_loss", report.kl_loss},
                                {"grad_norm", report.grad_norm},
                                {"lr", report.learning_rate},
                                {"images_per_second", static_cast<double>(count) / seconds}};
    if (use.used > 0) {  // since the last revival
      line["codes_used"] = use.used;
      line["perplexity"] = use.perplexity;
    }
    log_.write(line);
    progress_.show(report);
    if (!std::isfinite(report.loss) || !std::isfinite(report.grad_norm)) {
      progress_.finish();
      throw Error(ErrorCode::bad_argument, "step " + std::to_string(report.step),
                  "a loss or gradient that is not finite", "numbers (lower --lr, or set --clip)");
    }
    return step;
  }

  void save() const {
    trainer_.save_checkpoint(checkpoint_file(arguments_.folder));
    trainer_.save_weights(model_file(arguments_.folder), &preset_);
    if (options_.ema_decay > 0) trainer_.save_averaged_weights(averaged_model_file(arguments_.folder), &preset_);
  }

  /// Some training images beside their reconstructions, in one picture.
  void save_samples(Index step) const {
    if (config_.channels != 1 && config_.channels != 3) return;  // no PNG has other channels
    const std::unique_ptr<AnyTokenizer> tokenizer = trainer_.tokenizer();
    const Index count = std::min<Index>(8, dataset_.source().count()), values = config_.image_values();
    std::vector<float> originals(static_cast<std::size_t>(count * values)), decoded(originals.size());
    for (Index i = 0; i < count; ++i) dataset_.source().plain(i, slice(View<float>(originals), i * values, values));
    tokenizer->reconstruct(originals, decoded, texts_.of(0, count));
    std::vector<Pixels> rows;
    for (Index i = 0; i < count; ++i) {
      rows.push_back(side_by_side(to_pixels(config_, slice(View<const float>(originals), i * values, values)),
                                  to_pixels(config_, slice(View<const float>(decoded), i * values, values))));
    }
    char name[32];
    std::snprintf(name, sizeof name, "step_%08td.png", step);
    const std::filesystem::path folder = samples_folder(arguments_.folder);
    make_folder(folder);
    write_png(folder / name, stacked(rows));
  }

  const RunArguments& arguments_;
  const Preset& preset_;  // on the cpu
  const TrainOptions& options_;
  const Config& config_;
  AnyTrainer& trainer_;
  Dataset& dataset_;
  const Texts& texts_;
  std::vector<float> images_;  // [images_per_step, C, H, W]
  TrainingLog log_;
  Progress progress_;
};

}  // namespace

void check_run_folder(const RunArguments& run) {
  if (!run.resume && std::filesystem::exists(checkpoint_file(run.folder))) {
    throw Error(ErrorCode::file_access, checkpoint_file(run.folder).string(), "the checkpoint of another run",
                "an empty folder, or --resume to go on");
  }
  for (const auto& model : {model_file(run.folder), averaged_model_file(run.folder)}) {
    // A run saves its checkpoint first.
    if (std::filesystem::exists(checkpoint_file(run.folder)) || !std::filesystem::exists(model)) continue;
    throw Error(ErrorCode::file_access, model.string(), "a model without a run's checkpoint beside it",
                "an empty folder");
  }
}

void note_data(const RunArguments& run, const nlohmann::ordered_json& data) {
  const std::filesystem::path file = run.folder / "data.json";
  if (std::filesystem::exists(checkpoint_file(run.folder)) && std::filesystem::exists(file)) {
    std::ifstream stream(file);
    const auto before = nlohmann::json::parse(stream, nullptr, false);
    for (const auto& [what, now] : data.items()) {
      if (!before.is_object() || !before.contains(what) || before[what] == now) continue;
      throw Error(ErrorCode::mismatch, file.string(), what + " " + before[what].dump(),
                  now.dump() + ", as of the images and texts that this run is given");
    }
  }
  AtomicFile whole(file);
  whole.write(data.dump() + "\n");
  whole.commit();
}

void run_training(const RunArguments& run, const Preset& preset, AnyTrainer& trainer, Dataset& dataset,
                  const Texts& texts) {
  TrainingRun training(run, preset, trainer, dataset, texts);
  listen_to_signals();
  training.run();
}

}  // namespace program
