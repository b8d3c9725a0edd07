// Training of every family: fine-tuning of the decoder alone, continuous latents, texts, and going on from a
// checkpoint.
#include <backend/tested.hpp>
#include <files.hpp>
#include <golden_models.hpp>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>
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

bool same_state(const TrainerState& a, const TrainerState& b) {
  const auto same = [](const auto& x, const auto& y) { return std::ranges::equal(x, y); };
  return a.step == b.step && same(a.weights.view(), b.weights.view()) &&
         same(a.first_moments.view(), b.first_moments.view()) &&
         same(a.second_moments.view(), b.second_moments.view()) && same(a.average.view(), b.average.view()) &&
         same(a.codebook.counts, b.codebook.counts) && same(a.codebook.recent, b.codebook.recent) &&
         a.codebook.recent_seen == b.codebook.recent_seen && same(a.codebook.ema_counts, b.codebook.ema_counts) &&
         same(a.codebook.ema_sums, b.codebook.ema_sums);
}

bool finite(const TrainerState& s) {
  const auto all = [](const auto& values) { return std::isfinite(largest_magnitude(values)); };
  return all(s.weights.view()) && all(s.first_moments.view()) && all(s.second_moments.view()) &&
         all(s.average.view()) && all(s.codebook.recent) && all(s.codebook.ema_counts) && all(s.codebook.ema_sums);
}

/// Between good steps stand some that must fail: each names its step, and the states are those of a run without them.
template <Config config>
void check_refused_steps(const std::string& name, const TrainOptions& options) {
  CAPTURE(name);
  const auto good = load(name, "input.npy");
  const auto text = config.has_text() ? load(name, "text.npy") : std::vector<float>();
  Trainer<config, Tested> trainer(options), never(options);
  for (auto* t : {&trainer, &never}) t->load_weights(testing::golden_folder(name));
  const auto refused = [&](const std::vector<float>& images, const std::vector<float>& with, const std::string& found) {
    const TrainerState before = trainer.state();
    const std::string line = tessera_test::error_line([&] { (void)trainer.step(images, with); });
    CAPTURE(line);
    CHECK(tessera_test::contains(line, "step " + std::to_string(before.step + 1) + ": found " + found));
    CHECK(same_state(before, trainer.state()));
  };
  for (Index i = 0; i < 5; ++i) {
    std::vector<float> bad = good, bad_text = text;
    bad[bad.size() - 2] = std::nanf("");  // in the last pass of the step
    refused(bad, text, "NaN in image 7, expected finite numbers");
    bad[bad.size() - 2] = std::numeric_limits<float>::infinity();
    refused(bad, text, "infinity in image 7");
    bad[bad.size() - 2] = std::numeric_limits<float>::max();  // refused on cpu; thrust_host takes the step
    if (std::is_same_v<Tested, cpu>) refused(bad, text, "");
    if (!text.empty()) {
      bad_text[20] = std::nanf("");
      refused(good, bad_text, "NaN in the text of image 0");
    }
    CHECK(trainer.step(good, text).loss == never.step(good, text).loss);
    CHECK(same_state(trainer.state(), never.state()));
  }
  CHECK(std::ranges::equal(trainer.gradients().view(), never.gradients().view()));
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

TEST_CASE("a step with NaN, infinity or an overflow is refused, and the run goes on as if it had not been") {
  TrainOptions options = small_steps(1e-3);
  options.input_noise = 0.1;
  check_refused_steps<presets::tiny_tatitok_vae>("tiny_tatitok_vae", options);
  options.codebook = {.start = CodebookStart::kmeans, .unquantized_steps = 2, .revive_every = 2, .ema_decay = 0.9};
  check_refused_steps<presets::tiny_titok_vq>("tiny_titok_vq", options);
  check_refused_steps<presets::tiny_titok_cosine>("tiny_titok_cosine", options);
}

TEST_CASE("images of any magnitude are trained on or refused, but leave no NaN or infinity behind") {
  const auto good = load("tiny_titok_vq", "input.npy");
  for (const float factor : {1e5F, 1e10F, 1e14F, 1e17F, 1e18F, 1e19F, 1e20F, 1e25F, 1e30F, 1e37F}) {
    for (const double eps : {1e-8, 1e-30}) {
      CAPTURE(factor);
      CAPTURE(eps);
      TrainOptions options = small_steps(1e-3);
      options.clip = 0;
      options.beta2 = 0;  // so that a moment outlives the square that divides it
      options.eps = eps;
      options.codebook = {.unquantized_steps = 1, .revive_every = 1, .ema_decay = 0.9};
      Trainer<presets::tiny_titok_vq, Tested> trainer(options);
      trainer.load_weights(testing::golden_folder("tiny_titok_vq"));
      std::vector<float> images = good;
      for (int i = 0; i < 4; ++i) {
        for (std::size_t k = 0; k < images.size(); ++k) images[k] = i % 2 == 0 ? good[k] * factor : good[k];
        const TrainerState before = trainer.state();
        if (!tessera_test::error_line([&] { (void)trainer.step(images); }).empty()) {
          CHECK(same_state(before, trainer.state()));
        }
        REQUIRE(finite(trainer.state()));
      }
    }
  }
}

TEST_CASE("options that float32 rounds to 0 or to 1, or that let weights grow without end, are refused by name") {
  const auto line = [](auto change) {
    TrainOptions options;
    change(options);
    return tessera_test::error_line([&] { check(options); });
  };
  CHECK(line([](TrainOptions&) {}).empty());
  CHECK(line([](TrainOptions& o) { o.eps = 1e-46; }) == "eps: found 1e-46, expected 1e-30 to 1e6");
  CHECK(line([](TrainOptions& o) { o.eps = 1e-30; }).empty());
  const auto refuses = [&](const std::string& name, auto member, std::initializer_list<double> values) {
    for (const double value : values) {
      CAPTURE(name);
      CAPTURE(value);
      CHECK(line([&](TrainOptions& o) { member(o) = value; }).starts_with(name + ": found "));
    }
  };
  constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
  constexpr double near_one = 1 - 1e-9;  // 1 in float32
  refuses("learning rate", [](TrainOptions& o) -> double& { return o.schedule.peak; }, {1e-46, 1e3, nan_value});
  refuses("weight_decay", [](TrainOptions& o) -> double& { return o.weight_decay; }, {1e-46, 1001, -1, nan_value});
  refuses("beta1", [](TrainOptions& o) -> double& { return o.beta1; }, {near_one, 1e-46, 1, -0.1, nan_value});
  refuses("beta2", [](TrainOptions& o) -> double& { return o.beta2; }, {near_one, 1e-46, 1, -0.1, nan_value});
  refuses("clip", [](TrainOptions& o) -> double& { return o.clip; }, {1e-46, 1e31, -1, nan_value});
  refuses("ema", [](TrainOptions& o) -> double& { return o.ema_decay; }, {near_one, 1e-46, 1, nan_value});
  refuses("input_noise", [](TrainOptions& o) -> double& { return o.input_noise; }, {1e-46, 1e7, nan_value});
  refuses("kl_weight", [](TrainOptions& o) -> double& { return o.kl_weight; }, {1e-46, 1e7, nan_value});
  refuses("codebook_ema", [](TrainOptions& o) -> double& { return o.codebook.ema_decay; }, {near_one, 1e-46, 1});
}

TEST_CASE("no NaN or infinity is taken as a state or saved, and the good file stays") {
  using T = Trainer<presets::tiny_titok_vq, Tested>;
  using Table = ParameterTable<presets::tiny_titok_vq>;
  const TrainOptions options = small_steps(1e-3);
  T trainer(options);
  const tessera_test::TemporaryFolder folder;
  const std::filesystem::path checkpoint = folder / "checkpoint.safetensors", model = folder / "model.safetensors";
  trainer.save_checkpoint(checkpoint);
  trainer.save_weights(model);
  const std::string good_checkpoint = tessera_test::read_bytes(checkpoint),
                    good_model = tessera_test::read_bytes(model);

  const auto refuses = [&](auto spoil, const std::string& tensor) {
    TrainerState state = trainer.state();
    spoil(state);
    const std::string found = "'" + tensor + "': found ";
    const auto check = [&](const std::string& subject, auto&& call) {
      const std::string line = tessera_test::error_line(call);
      CAPTURE(line);
      CHECK(tessera_test::contains(line, subject + ": " + found));
    };
    check("Trainer::restore", [&] { trainer.restore(state); });
    check(checkpoint.string(),
          [&] { save_checkpoint(checkpoint, T::configuration, options, Table::parameters(), state); });
    CHECK(tessera_test::read_bytes(checkpoint) == good_checkpoint);
  };
  const std::string first_name = Table::parameters().front().name;
  const float nan = std::nanf(""), infinity = std::numeric_limits<float>::infinity();
  refuses([&](TrainerState& s) { s.weights.view().front() = nan; }, "model." + first_name);
  refuses([&](TrainerState& s) { s.first_moments.view().front() = infinity; }, "first_moment." + first_name);
  refuses([&](TrainerState& s) { s.second_moments.view().front() = -infinity; }, "second_moment." + first_name);
  refuses([&](TrainerState& s) { s.average.view().front() = nan; }, "average." + first_name);
  refuses([&](TrainerState& s) { s.codebook.recent.back() = nan; }, "codebook.recent");
  refuses([&](TrainerState& s) { s.codebook.ema_sums.back() = nan; }, "codebook.ema_sums");

  AlignedBuffer<float> weights = trainer.weights();
  weights.view().front() = nan;
  CHECK(tessera_test::error_line([&] { trainer.set_weights(weights.view()); }) ==
        "Trainer::set_weights: '" + first_name + "': found NaN at element 0, expected finite weights");
  CHECK(tessera_test::error_line([&] {
          save_parameters(model, T::configuration, Table::parameters(), weights.view());
        }) == model.string() + ": '" + first_name + "': found NaN at element 0, expected finite weights");
  CHECK(tessera_test::read_bytes(model) == good_model);

  // A checkpoint of an older build.
  TrainerState state = trainer.state();
  state.first_moments.view().front() = 1234.5F;
  save_checkpoint(checkpoint, T::configuration, options, Table::parameters(), state);
  std::string bytes = tessera_test::read_bytes(checkpoint);
  const auto pattern = [](float x) { return std::string(reinterpret_cast<const char*>(&x), sizeof x); };
  bytes.replace(bytes.find(pattern(1234.5F)), sizeof(float), pattern(nan));
  tessera_test::write_bytes(checkpoint, bytes);
  CHECK(tessera_test::contains(tessera_test::error_line([&] { trainer.resume(checkpoint); }),
                               "'first_moment." + first_name + "': found NaN at element 0, expected finite weights"));
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
