#include <check/model_gradients.hpp>

#include <tessera/backend/thrust/cuda.hpp>

using namespace tessera;

TEST_CASE("cuda: gradients of the usual loss") {
  testing::check_small_model_gradients<tessera::cuda>({.kl_weight = 0.5});
}
TEST_CASE("cuda: gradients of the golden models") {
  testing::check_tiny_model_gradients<tessera::cuda>({.kl_weight = 0.5});
}
TEST_CASE("cuda: gradients of the absolute error") {
  testing::check_small_model_gradients<tessera::cuda>({.reconstruction = ReconstructionLoss::l1});
}
TEST_CASE("cuda: gradients without quantization") {
  testing::check_small_model_gradients<tessera::cuda>({.quantize = false});
}
