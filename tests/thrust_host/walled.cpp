// What these models do above backend/ leaves a device's memory to kernels and copies.
#include <thrust_host/walled_system.hpp>

#include <check/golden_models.hpp>
#include <check/golden_training.hpp>
#include <check/model_gradients.hpp>

using namespace tessera;
using testing::walled;

TEST_CASE("gradients leave a device's memory to its kernels") {
  testing::check_gradients_of<gradients::class_token, walled>(2, {.kl_weight = 0.5});
  testing::check_gradients_of<gradients::text_posterior, walled>(2, {.reconstruction = ReconstructionLoss::l1});
}

TEST_CASE("a tokenizer leaves a device's memory to its kernels") {
  testing::check_golden<presets::tiny_titok_cosine, walled>("tiny_titok_cosine");
  testing::check_golden<presets::tiny_tatitok_vae, walled>("tiny_tatitok_vae");
  testing::check_golden<presets::tiny_titok_legacy, walled>("tiny_titok_legacy");
}

TEST_CASE("a trainer leaves a device's memory to its kernels") {
  testing::check_training<presets::tiny_titok_cosine, walled>("tiny_titok_cosine");
}

TEST_CASE("a trainer that keeps its codebook in use leaves a device's memory to its kernels") {
  using T = Trainer<presets::tiny_latent, walled>;
  TrainOptions options;
  options.batch_size = 4;
  options.ema_decay = 0.9;
  options.input_noise = 0.1;
  options.codebook = {.start = CodebookStart::kmeans, .unquantized_steps = 1, .revive_every = 1, .ema_decay = 0.9};
  T trainer(options), resumed(options);
  const std::vector<float> images(static_cast<std::size_t>(4 * presets::tiny_latent.image_values()), 0.5F);
  for (int step = 0; step < 3; ++step) trainer.step(images);
  resumed.restore(trainer.state());
  CHECK(std::ranges::equal(trainer.weights().view(), resumed.weights().view()));
  CHECK(std::ranges::equal(trainer.averaged_weights().view(), resumed.averaged_weights().view()));
}
