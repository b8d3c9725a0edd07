// tessera train: trains a tokenizer on photographs or on an array of images.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <tessera/data/dataset.hpp>
#include <tessera/data/image_array.hpp>
#include <tessera/data/image_folder.hpp>
#include <tessera/data/photographs.hpp>

#include "broken_photographs.hpp"
#include "hash.hpp"
#include "inputs.hpp"
#include "mapped_files.hpp"
#include "numbers.hpp"
#include "outputs.hpp"
#include "program.hpp"
#include "signals.hpp"
#include "training_run.hpp"

namespace program {

using namespace tessera;

namespace {

const std::map<std::string, ScheduleShape> schedules{{"cosine", ScheduleShape::cosine},
                                                     {"constant", ScheduleShape::constant}};
const std::map<std::string, ReconstructionLoss> losses{{"l2", ReconstructionLoss::l2}, {"l1", ReconstructionLoss::l1}};
const std::map<std::string, bool> parts{{"all", false}, {"decoder", true}};
const std::map<std::string, CodebookStart> codebook_starts{
    {"as-is", CodebookStart::as_is}, {"data", CodebookStart::data}, {"kmeans", CodebookStart::kmeans}};

/// What the command line says; what it leaves out depends on the rest.
struct TrainArguments {
  RunArguments run;
  std::string preset;
  RunsOn on;
  std::filesystem::path data, text, init;
  std::string augment;
  bool no_shuffle = false, skip_broken = false;
  ImageLimits limits;
  double memory_gb = 2;
  std::optional<Index> warmup, unquantized_steps, revive_every;
  std::optional<CodebookStart> codebook_start;
  TrainOptions options{.schedule = {.steps = 1000}};
};

Augment parse_augment(const std::string& text) {
  if (text == "none") return {};
  if (text == "flip") return {.flip = true};
  return {.crop = true, .flip = true};
}

TrainOptions complete_options(const TrainArguments& a, const Config& config) {
  TrainOptions options = a.options;
  const bool scratch = a.init.empty() && config.has_codes() && !options.decoder_only;
  const Index steps = options.schedule.steps;
  options.schedule.warmup = a.warmup.value_or(options.schedule.shape == ScheduleShape::cosine ? steps / 50 : 0);
  // A fresh codebook is filled from latents that mean something already; a trained one is left alone.
  options.codebook.start = a.codebook_start.value_or(scratch ? CodebookStart::kmeans : CodebookStart::as_is);
  const bool wait = options.codebook.start != CodebookStart::as_is;
  options.codebook.unquantized_steps = a.unquantized_steps.value_or(wait ? std::max<Index>(1, steps / 20) : 0);
  options.codebook.revive_every = a.revive_every.value_or(scratch ? 100 : 0);
  try {
    check(options);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
  return options;
}

std::string augment_of(const TrainArguments& a) {
  if (!a.augment.empty()) return a.augment;
  return is_array(a.data) ? "none" : "crop,flip";
}

std::unique_ptr<ImageSource> open_images(const TrainArguments& a, const Config& config, BrokenPhotographs& broken) {
  const Augment augment = parse_augment(augment_of(a));
  if (is_array(a.data)) return std::make_unique<ImageArray>(a.data, config, augment);
  std::error_code error;
  if (!std::filesystem::is_directory(a.data, error)) {
    const bool exists = std::filesystem::exists(a.data, error);
    throw Error(ErrorCode::file_access, a.data.string(), exists ? "another kind of file" : "no such file",
                "a folder of photographs or a .npy file");
  }
  auto photographs = std::make_unique<Photographs>(
      a.data, config,
      PhotographOptions{.augment = augment,
                        .limits = a.limits,
                        .skip_broken = a.skip_broken,
                        .memory = static_cast<std::size_t>(a.memory_gb * 1e9),
                        .on_broken = [&broken](const auto&, const Error& why) { broken.add(why); }});
  const std::string left_out = photographs->left_out().text();
  if (!left_out.empty()) std::fprintf(stderr, "%s\n", one_line(a.data.string() + ": " + left_out).c_str());
  return photographs;
}

/// Tells the training data from other data: hashes of some images, as they are decoded, and of their texts, spread over
/// all of them: "samples" of each, null where it is broken; and "fingerprint" of all, unless one is broken.
void add_fingerprint(nlohmann::ordered_json& data, const ImageSource& source, const Texts& texts,
                     const Config& config) {
  constexpr Index most = 16;
  const Index count = source.count(), samples = std::min(most, count), values = config.image_values();
  const auto item = [&](Index i) { return i * count / samples; };
  std::vector<float> images(static_cast<std::size_t>(samples * values));
  const auto image = [&](Index i) { return slice(View<float>(images), i * values, values); };
  parallel_for_or_throw(samples, [&](Index i) { source.plain(item(i), image(i)); });
  Hash all;
  bool complete = true;
  for (Index i = 0; i < samples; ++i) {
    const bool broken = source.used(item(i)) != item(i);
    Hash one;
    for (Hash* hash : {&one, &all}) {
      hash->add(std::as_bytes(image(i)));
      hash->add(std::as_bytes(View<const float>(texts.of(item(i), 1))));
    }
    data["samples"].push_back(broken ? nlohmann::ordered_json() : nlohmann::ordered_json(one.unmixed_text()));
    complete = complete && !broken;
  }
  if (complete) data["fingerprint"] = all.unmixed_text();
}

/// Starts the run's trainer, or goes on from its checkpoint; the folder is marked as a run's from here on.
std::unique_ptr<AnyTrainer> start_trainer(const TrainArguments& a, const Preset& preset, const TrainOptions& options) {
  check_run_folder(a.run);
  if (!a.run.resume) claim_results_folder(a.run.folder);
  std::unique_ptr<AnyTrainer> trainer = preset.trainer(options);
  if (a.run.resume) {
    trainer->resume(checkpoint_file(a.run.folder));
    check_mapped_files();
    mark_results_folder(a.run.folder);  // runs of earlier versions have no mark
  } else if (!a.init.empty()) {
    trainer->load_weights(a.init);
    check_mapped_files();
  }
  return trainer;
}

void train(const TrainArguments& a) {
  const Preset& preset = named_preset(a.preset);
  const Preset& there = preset_on(preset, a.on);
  const TrainOptions options = complete_options(a, preset.config);
  listen_to_signals();
  const FolderLock lock(a.run.folder);
  const std::unique_ptr<AnyTrainer> trainer = start_trainer(a, there, options);
  BrokenPhotographs broken;
  Dataset dataset(open_images(a, preset.config, broken), !a.no_shuffle, options.seed);
  const Index count = dataset.source().count();
  const Texts texts(a.text, preset.config, count);
  nlohmann::ordered_json data{{"images", count}, {"shuffle", !a.no_shuffle}, {"augment", augment_of(a)}};
  add_fingerprint(data, dataset.source(), texts, preset.config);
  note_data(a.run, data);
  std::fprintf(stderr, "%s: %td parameters, %td training images, step %td of %td\n", a.preset.c_str(),
               preset.parameters, count, trainer->steps_done(), options.schedule.steps);
  run_training(a.run, preset, *trainer, dataset, texts, broken);
}

}  // namespace

void add_train(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("train", "train a tokenizer");
  c.footer(exit_codes_text);
  const auto a = std::make_shared<TrainArguments>();
  TrainOptions& o = a->options;
  c.add_option("--preset", a->preset, "the tokenizer's sizes: " + preset_names())->required();
  add_device(c, a->on);
  c.add_option("--data", a->data,
               std::string("a folder of JPEG and PNG photographs, or a .npy file: float32 [..., C, H, W] in the "
                           "model's range or uint8 [..., H, W, C]. ") +
                   image_folder_rule)
      ->required();
  add_text(c, a->text);
  c.add_option("-o,--output", a->run.folder, "the run's folder: new, empty, or the run's own")->required();
  c.add_flag(
      "--resume", a->run.resume,
      "go on from the folder's checkpoint (which must be there), on the same device with the bits of a run that never "
      "stopped; compares some of the images with that run's");
  c.add_option("--init", a->init, "start from this model instead of random weights");
  add_choice(c, "--train", o.decoder_only, parts,
             "all (default), or decoder: fine-tunes it while encoder, latent tokens and codes keep their values");
  add_number(c, "--kl-weight", o.kl_weight, "continuous tokens: weight of the divergence from the unit Gaussian");
  add_number(c, "--steps", o.schedule.steps, "updates");
  add_number(c, "--batch-size", o.batch_size, "images of one pass");
  add_number(c, "--accumulate", o.accumulate, "passes of one update");
  add_number(c, "--lr", o.schedule.peak, "learning rate");
  add_choice(c, "--schedule", o.schedule.shape, schedules, "cosine (default) or constant");
  add_number(c, "--warmup", a->warmup, "steps of linear rise (default: 2% of them for cosine, 0 for constant)");
  add_number(c, "--final-lr-fraction", o.schedule.final_fraction, "where cosine ends");
  add_number(c, "--weight-decay", o.weight_decay, "of matrices");
  add_number(c, "--beta1", o.beta1, "AdamW");
  add_number(c, "--beta2", o.beta2, "AdamW");
  add_number(c, "--eps", o.eps, "AdamW");
  add_number(c, "--clip", o.clip, "largest gradient norm, 0: any");
  add_number(c, "--ema", o.ema_decay, "decay of averaged weights, 0: none");
  add_choice(c, "--loss", o.reconstruction, losses, "of the reconstruction: l2 (default) or l1");
  add_number(c, "--input-noise", o.input_noise, "standard deviation of noise on the encoder's input");
  add_choice(c, "--codebook-start", a->codebook_start, codebook_starts,
             "where the first codes come from: as-is, data or kmeans (default: kmeans, with --init as-is)");
  add_number(c, "--unquantized-steps", a->unquantized_steps,
             "steps before the codebook starts (default: 5% of them, with as-is 0)");
  add_number(c, "--revive-every", a->revive_every,
             "steps after which unused codes move to latents, 0: never (default: 100, with --init 0)");
  add_number(c, "--codebook-ema", o.codebook.ema_decay, "codes as moving averages of this decay, 0: trained");
  add_number(c, "--seed", o.seed, "of everything random");
  c.add_flag("--no-shuffle", a->no_shuffle, "images in their stored order");
  c.add_option("--augment", a->augment,
               "none, flip, or crop,flip: random flips, and random crops at random sizes (default: crop,flip for "
               "folders, none for .npy)")
      ->check(CLI::IsMember({"none", "flip", "crop,flip"}));
  add_decode_memory(c, a->limits);
  c.add_flag("--skip-broken", a->skip_broken,
             "use the next photograph for one that cannot be read; they are named when met, and counted at the end");
  add_number(c, "--data-memory", a->memory_gb, "GB of decoded photographs to keep", 0.0, 1e6);
  add_number(c, "--checkpoint-every", a->run.checkpoint_every, "steps", 1);
  add_number(c, "--sample-every", a->run.sample_every, "steps between sample pictures, 0: none", 0);
  c.callback([a, &run] { run = [a] { train(*a); }; });
}

}  // namespace program
