// Whole models in bfloat16 against the published code's in float32: at least nine tokens of ten agree, and pictures to
// a few hundredths.
#pragma once

#include <check/golden_models.hpp>

#include <tessera/trainer.hpp>

namespace tessera::testing {

/// Of the golden inputs' tokens, how many are float32's.
template <Config config, class B>
double agreement(const std::string& name) {
  auto tokenizer = Tokenizer<config, B>::load(golden_folder(name), 3);
  const auto expected = load<Token>(name, "tokens.npy");
  std::vector<Token> ids(expected.size(), -1);
  tokenizer.encode(load<float>(name, "input.npy"), ids);
  double equal = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) equal += ids[i] == expected[i];
  return equal / static_cast<double>(ids.size());
}

template <Config config, class B>
double picture_difference(const std::string& name) {
  auto tokenizer = Tokenizer<config, B>::load(golden_folder(name), 3);
  const auto expected = load<float>(name, "decoded.npy");
  std::vector<float> images(expected.size(), unset);
  tokenizer.decode(load<Token>(name, "tokens.npy"), images);
  return relative_difference(images, expected);
}

template <class B>
void check_bfloat16_models() {
  constexpr Config cosine = presets::tiny_titok_cosine, legacy = presets::tiny_titok_legacy;
  CHECK(agreement<cosine, B>("tiny_titok_cosine") > 0.9);
  CHECK(agreement<legacy, B>("tiny_titok_legacy") > 0.9);
  CHECK(picture_difference<cosine, B>("tiny_titok_cosine") < 0.02);
  // Two dozen convolutions and norms of random weights, each rounded.
  CHECK(picture_difference<legacy, B>("tiny_titok_legacy") < 0.1);
}

/// The losses of five steps on one batch.
template <Config config, class B>
std::vector<double> training_losses() {
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

/// B in bfloat16 and F in float32, which the golden training checks.
template <class B, class F>
void check_bfloat16_training() {
  constexpr Config config = presets::tiny_titok_cosine;
  const auto found = training_losses<config, B>(), expected = training_losses<config, F>();
  for (std::size_t step = 0; step < expected.size(); ++step) {
    CAPTURE(step);
    CHECK(found[step] == doctest::Approx(expected[step]).epsilon(0.02));
  }
  CHECK(found.back() < found.front());
}

}  // namespace tessera::testing
