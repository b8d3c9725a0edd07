#include <check/golden_models.hpp>
#include <check/saved_weights.hpp>

#include <tessera/backend/thrust/thrust_host.hpp>

using namespace tessera;

TEST_CASE("golden models: thrust_host") {
  testing::check_golden_models<thrust_host>();
}
TEST_CASE("a loaded model is saved with its own bits: thrust_host") {
  testing::check_round_trip<Tokenizer<presets::odd_latent, thrust_host>>("odd_latent");
  testing::check_round_trip<Tokenizer<presets::tiny_titok_legacy, thrust_host>>("tiny_titok_legacy");
}
