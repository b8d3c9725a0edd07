#include <check/model_gradients.hpp>

#include <tessera/backend/thrust/thrust_host.hpp>

using namespace tessera;

TEST_CASE("thrust_host: gradients of the usual loss") {
  testing::check_small_model_gradients<thrust_host>({.kl_weight = 0.5});
}
TEST_CASE("thrust_host: gradients of the golden models") {
  testing::check_tiny_model_gradients<thrust_host>({.kl_weight = 0.5});
}
TEST_CASE("thrust_host: gradients of the absolute error") {
  testing::check_small_model_gradients<thrust_host>({.reconstruction = ReconstructionLoss::l1});
}
TEST_CASE("thrust_host: gradients without quantization") {
  testing::check_small_model_gradients<thrust_host>({.quantize = false});
}
