// Training of every family: fine-tuning of the decoder alone, continuous latents, texts, and going on from a
// checkpoint.
#include <backend/tested.hpp>
#include <files.hpp>
#include <golden_models.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <tessera/io/npy.hpp>
#include <tessera/tokenizer.hpp>
#include <tessera/trainer.hpp>

using namespace tessera;
using testing::Tested;

namespace {

std::vector<float> load(const std::string& name, const char* file) {
  const NpyFile npy(testing::golden_folder(name) / file);
  const auto values = npy.values<float>();
  return {values.begin(), values.end()};
}

/// Steps over the eight golden images, in two passes of four.
TrainOptions small_steps(double learning_rate) {
  TrainOptions options;
  options.batch_size = 4;
  options.accumulate = 2;
  options.schedule = {.shape = ScheduleShape::constant, .peak = learning_rate, .steps = 100};
  options.ema_decay = 0.9;
  return options;
}

template <Config config>
bool same_bits(const Parameter& p, const AlignedBuffer<float>& a, const AlignedBuffer<float>& b) {
  return std::ranges::equal(slice(a.view(), p), slice(b.view(), p));
}

/// `steps` updates; the losses.
template <Config config>
std::vector<double> train(Trainer<config, Tested>& trainer, const std::string& name, Index steps) {
  const auto images = load(name, "input.npy");
  const auto text = config.has_text() ? load(name, "text.npy") : std::vector<float>();
  std::vector<double> losses;
  for (Index i = 0; i < steps; ++i) losses.push_back(trainer.step(images, text).loss);
  return losses;
}

/// Trains the decoder alone: its loss falls by `factor`, and nothing else changes.
template <Config config>
void check_fine_tuning(const std::string& name, double factor) {
  CAPTURE(name);
  TrainOptions options = small_steps(1e-3);
  options.decoder_only = true;
  options.weight_decay = 0.1;
  Trainer<config, Tested> trainer(options);
  trainer.load_weights(testing::golden_folder(name));
  const AlignedBuffer<float> start = trainer.weights();
  const std::vector<double> losses = train(trainer, name, 12);
  CHECK(losses.back() < factor * losses.front());

  const AlignedBuffer<float> end = trainer.weights(), average = trainer.averaged_weights();
  for (const Parameter& p : ParameterTable<config>::parameters()) {
    CAPTURE(p.name);
    const bool trained = p.name.starts_with("decoder.") || p.name.starts_with("pixel_");
    CHECK(same_bits<config>(p, start, end) != trained);
    CHECK(same_bits<config>(p, start, average) != trained);
  }
}

/// Four steps, and two, a checkpoint, and two more in another trainer, give the same bits.
template <Config config>
void check_resuming(const std::string& name, bool decoder_only) {
  CAPTURE(name);
  const tessera_test::TemporaryFolder folder;
  const std::filesystem::path path = folder / "checkpoint.safetensors";
  TrainOptions options = small_steps(1e-3);
  options.seed = 7;
  options.decoder_only = decoder_only;
  Trainer<config, Tested> whole(options), first_half(options), second_half(options);
  for (auto* trainer : {&whole, &first_half}) trainer->load_weights(testing::golden_folder(name));
  const std::vector<double> losses = train(whole, name, 4);
  train(first_half, name, 2);
  first_half.save_checkpoint(path);
  second_half.resume(path);
  const std::vector<double> resumed = train(second_half, name, 2);
  CHECK(std::equal(resumed.begin(), resumed.end(), losses.begin() + 2));
  CHECK(std::ranges::equal(whole.weights().view(), second_half.weights().view()));
  CHECK(std::ranges::equal(whole.averaged_weights().view(), second_half.averaged_weights().view()));
}

}  // namespace

TEST_CASE("fine-tuning the decoder lowers its loss and leaves the tokens as they are") {
  check_fine_tuning<presets::tiny_titok_legacy>("tiny_titok_legacy", 0.5);
  check_fine_tuning<presets::tiny_titok_vq>("tiny_titok_vq", 0.5);
  check_fine_tuning<presets::tiny_tatitok_vae>("tiny_tatitok_vae", 0.5);
}

TEST_CASE("the loss of fine-tuning is the reconstruction alone") {
  TrainOptions options = small_steps(1e-3);
  options.decoder_only = true;
  Trainer<presets::tiny_titok_legacy, Tested> trainer(options);
  trainer.load_weights(testing::golden_folder("tiny_titok_legacy"));
  const auto images = load("tiny_titok_legacy", "input.npy"), decoded = load("tiny_titok_legacy", "decoded.npy");
  const StepReport report = trainer.step(images);
  double squared_error = 0;
  for (std::size_t i = 0; i < images.size(); ++i) squared_error += std::pow(double{images[i]} - double{decoded[i]}, 2);
  CHECK(report.loss == doctest::Approx(squared_error / static_cast<double>(images.size())).epsilon(1e-5));
  CHECK(report.loss == report.reconstruction_loss);
  CHECK(report.codebook_loss + report.commitment_loss + report.kl_loss == 0.0);
}

TEST_CASE("every family trains as a whole") {
  // [&] captures nothing: nvcc 13 refuses to make a function pointer of a [] with a Config.
  const auto check = [&]<Config config>(const std::string& name) {
    CAPTURE(name);
    Trainer<config, Tested> trainer(small_steps(1e-3));
    trainer.load_weights(testing::golden_folder(name));
    const AlignedBuffer<float> start = trainer.weights();
    const std::vector<double> losses = train(trainer, name, 12);
    CHECK(losses.back() < 0.7 * losses.front());
    const AlignedBuffer<float> end = trainer.weights();
    for (const Parameter& p : ParameterTable<config>::parameters()) {
      CAPTURE(p.name);
      CHECK_FALSE(same_bits<config>(p, start, end));
    }
  };
  testing::for_each_golden_model(check);
}

TEST_CASE("the divergence is the published one: summed over an image, its mean over images") {
  TrainOptions options = small_steps(1e-3);
  options.kl_weight = 0.125;
  Trainer<presets::tiny_titok_vae, Tested> trainer(options);
  trainer.load_weights(testing::golden_folder("tiny_titok_vae"));
  const StepReport report = trainer.step(load("tiny_titok_vae", "input.npy"));
  double sum = 0;
  for (const float kl : load("tiny_titok_vae", "kl.npy")) sum += double{kl};
  CHECK(report.kl_loss == doctest::Approx(0.125 * sum / 8).epsilon(1e-5));
  CHECK(report.loss == doctest::Approx(report.reconstruction_loss + report.kl_loss).epsilon(1e-12));
}

TEST_CASE("noise for the posterior is drawn from the seed, step and pass") {
  const auto loss = [](std::uint64_t seed) {
    TrainOptions options = small_steps(1e-3);
    options.seed = seed;
    Trainer<presets::tiny_titok_vae, Tested> trainer(options);
    trainer.load_weights(testing::golden_folder("tiny_titok_vae"));
    return train(trainer, "tiny_titok_vae", 1).front();
  };
  CHECK(loss(1) == loss(1));
  CHECK(loss(1) != loss(2));
}

TEST_CASE("a resumed run gives the bits of one that never stopped") {
  check_resuming<presets::tiny_tatitok_vae>("tiny_tatitok_vae", false);
  check_resuming<presets::tiny_titok_legacy>("tiny_titok_legacy", true);
}

TEST_CASE("what a model has no use for is refused") {
  TrainOptions options = small_steps(1e-3);
  Trainer<presets::tiny_titok_vq, Tested> trainer(options);
  const auto images = load("tiny_titok_vq", "input.npy");
  CHECK_THROWS_WITH_AS(trainer.step(images, load("tiny_tatitok_vq", "text.npy")),
                       "Trainer::step: found 1120 values of text, expected 0", Error);
  Trainer<presets::tiny_tatitok_vq, Tested> with_text(options);
  CHECK_THROWS_WITH_AS(with_text.step(images), "Trainer::step: found 0 values of text, expected 1120", Error);

  AlignedBuffer<float> short_weights(3);
  CHECK_THROWS_AS(trainer.set_weights(short_weights.view()), Error);
  TrainerState state = trainer.state();
  state.second_moments = AlignedBuffer<float>(3);
  CHECK_THROWS_AS(trainer.restore(state), Error);
  state = trainer.state();
  state.average = AlignedBuffer<float>();
  CHECK_THROWS_AS(trainer.restore(state), Error);
  state = trainer.state();
  state.codebook.counts.pop_back();
  CHECK_THROWS_AS(trainer.restore(state), Error);
  state = trainer.state();
  state.codebook.recent_seen = -1;
  CHECK_THROWS_AS(trainer.restore(state), Error);

  const tessera_test::TemporaryFolder folder;
  state = trainer.state();
  state.weights.view().front() = std::nanf("");
  trainer.restore(state);
  trainer.save_checkpoint(folder / "nan.safetensors");
  CHECK(tessera_test::contains(tessera_test::error_line([&] { trainer.resume(folder / "nan.safetensors"); }),
                               "found NaN at element 0, expected finite weights"));

  using Continuous = Trainer<presets::tiny_titok_vae, Tested>;
  using Codes = Trainer<presets::tiny_titok_vq, Tested>;
  options.codebook.revive_every = 10;
  CHECK_THROWS_WITH_AS(Continuous{options},
                       "codebook: found options, expected none: this model's latents are continuous", Error);
  options.decoder_only = true;
  CHECK_THROWS_AS(Codes{options}, Error);
  options.codebook = {};
  options.kl_weight = -1;
  CHECK_THROWS_AS(Codes{options}, Error);
}
