// tessera train: trains a tokenizer on photographs or on an array of images.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <optional>

#include <tessera/data/dataset.hpp>
#include <tessera/data/image_array.hpp>
#include <tessera/data/photographs.hpp>

#include "inputs.hpp"
#include "outputs.hpp"
#include "program.hpp"
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

std::unique_ptr<ImageSource> open_images(const TrainArguments& a, const Config& config) {
  const Augment augment = parse_augment(augment_of(a));
  if (is_array(a.data)) return std::make_unique<ImageArray>(a.data, config, augment);
  std::error_code error;
  if (!std::filesystem::is_directory(a.data, error)) {
    const bool exists = std::filesystem::exists(a.data, error);
    throw Error(ErrorCode::file_access, a.data.string(), exists ? "another kind of file" : "no such file",
                "a folder of photographs or a .npy file");
  }
  const PhotographOptions options{.augment = augment,
                                  .skip_broken = a.skip_broken,
                                  .leave_out = samples_folder(a.run.folder),
                                  .memory = static_cast<std::size_t>(a.memory_gb * 1e9)};
  auto photographs = std::make_unique<Photographs>(a.data, config, options);
  for (const auto& file : photographs->skipped()) {
    std::fprintf(stderr, "skipped, broken: %s\n", tessera::one_line(file.string()).c_str());
  }
  return photographs;
}

/// Tells the training data from other data: a hash (FNV-1a) of some images, as they are decoded, and of their texts,
/// spread over all of them.
std::string fingerprint(const ImageSource& source, const Texts& texts, const Config& config) {
  constexpr Index most = 16;
  const Index count = source.count(), samples = std::min(most, count);
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&](View<const float> values) {
    for (const std::byte byte : std::as_bytes(values))
      hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
  };
  std::vector<float> image(static_cast<std::size_t>(config.image_values()));
  for (Index i = 0; i < samples; ++i) {
    const Index item = i * count / samples;
    source.plain(item, image);
    add(image);
    add(texts.of(item, 1));
  }
  char text[20];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

void train(const TrainArguments& a) {
  const Preset& preset = named_preset(a.preset);
  const Preset& there = preset_on(preset, a.on);
  const TrainOptions options = complete_options(a, preset.config);
  const FolderLock lock(a.run.folder);
  check_run_folder(a.run);
  const std::unique_ptr<AnyTrainer> trainer = there.trainer(options);
  if (a.run.resume && std::filesystem::exists(checkpoint_file(a.run.folder)))
    trainer->resume(checkpoint_file(a.run.folder));
  else if (!a.init.empty())
    trainer->load_weights(a.init);
  Dataset dataset(open_images(a, preset.config), !a.no_shuffle, options.seed);
  const Index count = dataset.source().count();
  const Texts texts(a.text, preset.config, count);
  note_data(a.run, {{"images", count},
                    {"shuffle", !a.no_shuffle},
                    {"augment", augment_of(a)},
                    {"fingerprint", fingerprint(dataset.source(), texts, preset.config)}});
  std::fprintf(stderr, "%s: %td parameters, %td training images, step %td of %td\n", a.preset.c_str(),
               preset.parameters, count, trainer->steps_done(), options.schedule.steps);
  run_training(a.run, preset, *trainer, dataset, texts);
}

}  // namespace

void add_train(CLI::App& app, std::function<void()>& run) {
  CLI::App& c = *app.add_subcommand("train", "train a tokenizer");
  const auto a = std::make_shared<TrainArguments>();
  TrainOptions& o = a->options;
  c.add_option("--preset", a->preset, "the tokenizer's sizes: " + preset_names())->required();
  add_device(c, a->on);
  c.add_option("--data", a->data,
               "a folder of JPEG and PNG photographs, or a .npy file: float32 [..., C, H, W] in the model's range or "
               "uint8 [..., H, W, C]")
      ->required();
  add_text(c, a->text);
  c.add_option("-o,--output", a->run.folder, "the run's folder")->required();
  c.add_flag(
      "--resume", a->run.resume,
      "go on from the folder's checkpoint, on the same device with the bits of a run that never stopped; compares some "
      "of the images with that run's");
  c.add_option("--init", a->init, "start from this model instead of random weights");
  add_choice(c, "--train", o.decoder_only, parts,
             "all (default), or decoder: fine-tunes it while encoder, latent tokens and codes keep their values");
  c.add_option("--kl-weight", o.kl_weight, "continuous tokens: weight of the divergence from the unit Gaussian")
      ->capture_default_str();
  c.add_option("--steps", o.schedule.steps, "updates")->capture_default_str();
  c.add_option("--batch-size", o.batch_size, "images of one pass")->capture_default_str();
  c.add_option("--accumulate", o.accumulate, "passes of one update")->capture_default_str();
  c.add_option("--lr", o.schedule.peak, "learning rate")->capture_default_str();
  add_choice(c, "--schedule", o.schedule.shape, schedules, "cosine (default) or constant");
  c.add_option("--warmup", a->warmup, "steps of linear rise (default: 2% of them for cosine, 0 for constant)");
  c.add_option("--final-lr-fraction", o.schedule.final_fraction, "where cosine ends")->capture_default_str();
  c.add_option("--weight-decay", o.weight_decay, "of matrices")->capture_default_str();
  c.add_option("--beta1", o.beta1, "AdamW")->capture_default_str();
  c.add_option("--beta2", o.beta2, "AdamW")->capture_default_str();
  c.add_option("--eps", o.eps, "AdamW")->capture_default_str();
  c.add_option("--clip", o.clip, "largest gradient norm, 0: any")->capture_default_str();
  c.add_option("--ema", o.ema_decay, "decay of averaged weights, 0: none")->capture_default_str();
  add_choice(c, "--loss", o.reconstruction, losses, "of the reconstruction: l2 (default) or l1");
  c.add_option("--input-noise", o.input_noise, "standard deviation of noise on the encoder's input")
      ->capture_default_str();
  add_choice(c, "--codebook-start", a->codebook_start, codebook_starts,
             "where the first codes come from: as-is, data or kmeans (default: kmeans, with --init as-is)");
  c.add_option("--unquantized-steps", a->unquantized_steps,
               "steps before the codebook starts (default: 5% of them, with as-is 0)");
  c.add_option("--revive-every", a->revive_every,
               "steps after which unused codes move to latents, 0: never (default: 100, with --init 0)");
  c.add_option("--codebook-ema", o.codebook.ema_decay, "codes as moving averages of this decay, 0: trained")
      ->capture_default_str();
  c.add_option("--seed", o.seed, "of everything random")->capture_default_str()->check(CLI::NonNegativeNumber);
  c.add_flag("--no-shuffle", a->no_shuffle, "images in their stored order");
  c.add_option("--augment", a->augment,
               "none, flip, or crop,flip: random flips, and random crops at random sizes (default: crop,flip for "
               "folders, none for .npy)")
      ->check(CLI::IsMember({"none", "flip", "crop,flip"}));
  c.add_flag("--skip-broken", a->skip_broken, "leave out photographs that cannot be read");
  c.add_option("--data-memory", a->memory_gb, "GB of decoded photographs to keep")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 1e6));
  c.add_option("--checkpoint-every", a->run.checkpoint_every, "steps")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  c.add_option("--sample-every", a->run.sample_every, "steps between sample pictures, 0: none")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  c.callback([a, &run] { run = [a] { train(*a); }; });
}

}  // namespace program
