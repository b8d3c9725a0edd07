// The published code's small models on the reference, the backend that the others are compared with.
#include <check/golden_models.hpp>
#include <check/golden_training.hpp>
#include <check/saved_weights.hpp>

#include <tessera/backend/reference/reference.hpp>

using namespace tessera;

TEST_CASE("golden models: reference<double>") {
  testing::check_golden_models<reference<double>>();
}
TEST_CASE("golden models: reference<float>") {
  testing::check_golden_models<reference<float>>();
}
TEST_CASE("golden training: reference<double>") {
  testing::check_golden_training<reference<double>>();
}
TEST_CASE("golden training: reference<float>") {
  testing::check_golden_training<reference<float>>();
}
TEST_CASE("a loaded model is saved with its own bits: reference<double>") {
  testing::check_round_trip<Tokenizer<presets::tiny_tatitok_vae, reference<double>>>("tiny_tatitok_vae");
  testing::check_round_trip<Tokenizer<presets::tiny_titok_legacy, reference<double>>>("tiny_titok_legacy");
}
