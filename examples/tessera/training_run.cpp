#include "training_run.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>

#include <tessera/core/parallel.hpp>
#include <tessera/data/model_pixels.hpp>
#include <tessera/data/prefetch.hpp>
#include <tessera/io/atomic_file.hpp>
#include <tessera/io/image.hpp>
#include <tessera/io/json.hpp>

#include "mapped_files.hpp"
#include "outputs.hpp"
#include "pictures.hpp"
#include "program.hpp"
#include "progress.hpp"
#include "signals.hpp"
#include "training_log.hpp"

namespace program {

using namespace tessera;

namespace {

/// Threads that read images beside those that compute; while computing waits for images, all read (Prefetch).
int reading_threads() {
  return std::max(1, thread_count() - 1);
}

class TrainingRun {
 public:
  TrainingRun(const RunArguments& arguments, const Preset& preset, AnyTrainer& trainer, Dataset& dataset,
              const Texts& texts, BrokenPhotographs& broken)
      : arguments_(arguments),
        preset_(preset),
        options_(trainer.options()),
        config_(trainer.config()),
        trainer_(trainer),
        dataset_(dataset),
        texts_(texts),
        broken_(broken),
        started_after_(trainer.steps_done()),
        log_(log_file(arguments.folder), trainer.steps_done()),
        progress_({.unit = "step",
                   .done = trainer.steps_done(),
                   .all = options_.schedule.steps,
                   .images_per_unit = trainer.images_per_step()}),
        images_(dataset, trainer.steps_done() * trainer.images_per_step(),
                options_.schedule.steps * trainer.images_per_step(), trainer.images_per_step(), config_.image_values(),
                reading_threads()) {}

  void run() {
    const Index steps = options_.schedule.steps;
    try {
      while (trainer_.steps_done() < steps && !stop_requested()) {
        const Index step = run_step();
        if (step % arguments_.checkpoint_every == 0 && step < steps) save();
        if (arguments_.sample_every > 0 && (step % arguments_.sample_every == 0 || step == steps)) save_samples(step);
      }
      progress_.end_line();
      if (saved_ != trainer_.steps_done()) save();
    } catch (...) {
      progress_.end_line();
      save_before_error();
      throw;
    }
    say_what_was_lost();
    if (trainer_.steps_done() < steps) {
      throw Stopped("stopped and saved after step " + std::to_string(trainer_.steps_done()) + " of " +
                    std::to_string(steps) + ": --resume goes on from there");
    }
    std::fprintf(stderr, "done after step %td: %s\n", steps, model_file(arguments_.folder).c_str());
  }

 private:
  Index run_step() {
    const auto start = std::chrono::steady_clock::now();
    const Prefetch::Batch& batch = images_.next();
    for (const std::string& line : broken_.take()) progress_.say(line);
    const std::vector<float> text = texts_.of(batch.items);
    check_mapped_files();
    const Index step = trainer_.steps_done() + 1;
    const CodebookUse use = options_.codebook.revives_in(step) ? trainer_.codebook_use() : CodebookUse{};
    const StepReport report = trainer_.step(batch.images, text);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    log_step(report, use, static_cast<double>(trainer_.images_per_step()) / seconds);
    char losses[64];
    std::snprintf(losses, sizeof losses, "loss %.5f  reconstruction %.5f  ", report.loss, report.reconstruction_loss);
    progress_.show(report.step, losses);
    return step;
  }

  /// A line that cannot be written is no reason to end.
  void log_step(const StepReport& report, const CodebookUse& use, double images_per_second) {
    JsonText line;
    line.begin_object()
        .field("step", report.step)
        .field("loss", report.loss)
        .field("reconstruction_loss", report.reconstruction_loss)
        .field("codebook_loss", report.codebook_loss)
        .field("commitment_loss", report.commitment_loss)
        .field("kl_loss", report.kl_loss)
        .field("grad_norm", report.grad_norm)
        .field("lr", report.learning_rate)
        .field("images_per_second", images_per_second);
    // Since the last revival.
    if (use.used > 0) line.field("codes_used", use.used).field("perplexity", use.perplexity);
    line.end_object();
    try {
      log_.write(line.text());
    } catch (const Error& error) {
      if (++lines_lost_ == 1) progress_.say("training goes on without a line of its log: " + std::string(error.what()));
    }
  }

  /// The checkpoint first: the rest can be made from it.
  void save() {
    saving_ = true;
    trainer_.save_checkpoint(checkpoint_file(arguments_.folder));
    saved_ = trainer_.steps_done();
    trainer_.save_weights(model_file(arguments_.folder), &preset_);
    if (options_.ema_decay > 0) trainer_.save_averaged_weights(averaged_model_file(arguments_.folder), &preset_);
    saving_ = false;
  }

  /// Keeps the steps that were done since the last checkpoint, unless it is saving that failed.
  void save_before_error() {
    const Index step = trainer_.steps_done();
    if (saving_ || step == saved_ || step == started_after_) return;
    try {
      save();
      progress_.say("saved after step " + std::to_string(step) + ", before the error that follows");
    } catch (const std::exception& error) {
      progress_.say("not saved after step " + std::to_string(step) + ": " + error.what());
    }
  }

  void say_what_was_lost() {
    if (lines_lost_ > 0) progress_.say(std::to_string(lines_lost_) + " lines of the log were lost");
    if (samples_lost_ > 0) progress_.say(std::to_string(samples_lost_) + " sample pictures were lost");
  }

  /// A picture that cannot be made is no reason to end.
  void save_samples(Index step) {
    try {
      write_samples(step);
    } catch (const std::exception& error) {
      if (++samples_lost_ == 1)
        progress_.say("training goes on without a sample picture: " + std::string(error.what()));
    }
  }

  /// Some training images beside their reconstructions, in one picture.
  void write_samples(Index step) const {
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
  BrokenPhotographs& broken_;
  Index started_after_, saved_ = -1;  // steps
  bool saving_ = false;
  Index lines_lost_ = 0, samples_lost_ = 0;
  TrainingLog log_;
  Progress progress_;
  Prefetch images_;
};

}  // namespace

void check_run_folder(const RunArguments& run) {
  const std::filesystem::path checkpoint = checkpoint_file(run.folder);
  const bool exists = std::filesystem::exists(checkpoint);
  if (run.resume && !exists) {
    throw Error(ErrorCode::file_access, checkpoint.string(), "no such file",
                "the checkpoint that --resume goes on from (a new run starts without --resume)");
  }
  if (!run.resume && exists) {
    throw Error(ErrorCode::file_access, checkpoint.string(), "the checkpoint of another run",
                "an empty folder, or --resume to go on");
  }
  for (const auto& model : {model_file(run.folder), averaged_model_file(run.folder)}) {
    if (exists || !std::filesystem::exists(model)) continue;  // a run saves its checkpoint first
    throw Error(ErrorCode::file_access, model.string(), "a model without a run's checkpoint beside it",
                "an empty folder");
  }
}

namespace {

/// Where the images and texts of a run differ from those that it had before; of the samples, those that could be read
/// both times are compared.
bool same_data(const std::string& what, const nlohmann::json& before, const nlohmann::json& now) {
  if (what != "samples" || !before.is_array() || before.size() != now.size()) return before == now;
  for (std::size_t i = 0; i < now.size(); ++i) {
    if (!before[i].is_null() && !now[i].is_null() && before[i] != now[i]) return false;
  }
  return true;
}

/// What could not be read this time stays as it was noted, to be compared the next time.
void keep_unread(const nlohmann::json& before, nlohmann::ordered_json& noted) {
  if (before.contains("fingerprint")) noted["fingerprint"] = before["fingerprint"];
  if (!before.contains("samples")) return;
  for (std::size_t i = 0; i < noted["samples"].size(); ++i) {
    if (noted["samples"][i].is_null()) noted["samples"][i] = before["samples"][i];
  }
}

}  // namespace

void note_data(const RunArguments& run, const nlohmann::ordered_json& data) {
  const std::filesystem::path file = run.folder / "data.json";
  nlohmann::ordered_json noted = data;
  if (run.resume && std::filesystem::exists(file)) {
    std::ifstream stream(file);
    const auto before = nlohmann::json::parse(stream, nullptr, false);
    if (!before.is_object()) {
      throw Error(ErrorCode::bad_file, file.string(), "no JSON object", "what an earlier part of the run noted");
    }
    for (const auto& [what, now] : data.items()) {
      if (!before.contains(what) || same_data(what, before[what], now)) continue;
      throw Error(ErrorCode::mismatch, file.string(), what + " " + before[what].dump(),
                  now.dump() + ", as of the images and texts that this run is given");
    }
    keep_unread(before, noted);
  }
  AtomicFile whole(file);
  whole.write(noted.dump() + "\n");
  whole.commit();
}

void run_training(const RunArguments& run, const Preset& preset, AnyTrainer& trainer, Dataset& dataset,
                  const Texts& texts, BrokenPhotographs& broken) {
  TrainingRun(run, preset, trainer, dataset, texts, broken).run();
}

}  // namespace program
