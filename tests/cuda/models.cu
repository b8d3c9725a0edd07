#include <check/golden_models.hpp>
#include <check/golden_training.hpp>
#include <check/saved_weights.hpp>

#include <tessera/backend/thrust/cuda.hpp>

using namespace tessera;

TEST_CASE("golden models: cuda") {
  testing::check_golden_models<tessera::cuda>();
}
TEST_CASE("golden training: cuda") {
  testing::check_golden_training<tessera::cuda>();
}
TEST_CASE("a loaded model is saved with its own bits: cuda") {
  testing::check_round_trip<Tokenizer<presets::odd_latent, tessera::cuda>>("odd_latent");
  testing::check_round_trip<Tokenizer<presets::tiny_titok_legacy, tessera::cuda>>("tiny_titok_legacy");
}
