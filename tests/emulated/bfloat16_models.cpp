// Whole models in bfloat16, on an emulated GPU and on Thrust's OpenMP system, against the published code's in float32:
// at least nine tokens of ten agree, and pictures to a few hundredths. Training is compared with the emulated GPU's in
// float32, which models.cpp compares with the published code's.
#include <check/golden_models.hpp>
#include <emulated/system.hpp>

#include <tessera/trainer.hpp>

using namespace tessera;

namespace {

using host_bf16 = basic_thrust<thrust_detail::OmpSystem<bfloat16>>;
static_assert(Backend<host_bf16>);

/// Of the golden inputs' tokens, how many are float32's.
template <Config config, class B>
double agreement(const std::string& name) {
  auto tokenizer = Tokenizer<config, B>::load(testing::golden_folder(name), 3);
  const auto expected = testing::load<Token>(name, "tokens.npy");
  std::vector<Token> ids(expected.size(), -1);
  tokenizer.encode(testing::load<float>(name, "input.npy"), ids);
  double equal = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) equal += ids[i] == expected[i];
  return equal / static_cast<double>(ids.size());
}

template <Config config, class B>
double picture_difference(const std::string& name) {
  auto tokenizer = Tokenizer<config, B>::load(testing::golden_folder(name), 3);
  const auto expected = testing::load<float>(name, "decoded.npy");
  std::vector<float> images(expected.size(), testing::unset);
  tokenizer.decode(testing::load<Token>(name, "tokens.npy"), images);
  return testing::relative_difference(images, expected);
}

/// The losses of five steps on one batch.
template <Config config, class B>
std::vector<double> losses() {
  TrainOptions options;
  options.batch_size = 2;
  options.schedule.peak = 1e-3;
  Trainer<config, B> trainer(options);
  std::vector<float> images(static_cast<std::size_t>(2 * config.image_values()));
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i % 97) / 97.0F;
  std::vector<double> found;
  for (int step = 0; step < 5; ++step) found.push_back(trainer.step(images).loss);
  return found;
}

}  // namespace

TEST_CASE("bfloat16: tokens and pictures") {
  constexpr Config cosine = presets::tiny_titok_cosine, legacy = presets::tiny_titok_legacy;
  CHECK(agreement<cosine, testing::emulated_gpu_bf16>("tiny_titok_cosine") > 0.9);
  CHECK(agreement<cosine, host_bf16>("tiny_titok_cosine") > 0.9);
  CHECK(agreement<legacy, testing::emulated_gpu_bf16>("tiny_titok_legacy") > 0.9);
  CHECK(picture_difference<cosine, testing::emulated_gpu_bf16>("tiny_titok_cosine") < 0.02);
  CHECK(picture_difference<cosine, host_bf16>("tiny_titok_cosine") < 0.02);
  // Two dozen convolutions and norms of random weights, each rounded.
  CHECK(picture_difference<legacy, testing::emulated_gpu_bf16>("tiny_titok_legacy") < 0.1);
}

TEST_CASE("bfloat16: training follows float32's losses") {
  constexpr Config config = presets::tiny_titok_cosine;
  const auto expected = losses<config, testing::emulated_gpu>();
  const auto found = losses<config, testing::emulated_gpu_bf16>();
  for (std::size_t step = 0; step < expected.size(); ++step) {
    CAPTURE(step);
    CHECK(found[step] == doctest::Approx(expected[step]).epsilon(0.02));
  }
  CHECK(found.back() < found.front());
}
