#include <check/model_gradients.hpp>

#include <tessera/backend/cpu/cpu.hpp>

using namespace tessera;

TEST_CASE("cpu: gradients of the usual loss") {
  testing::check_small_model_gradients<cpu>({.kl_weight = 0.5});
}
TEST_CASE("cpu: gradients of the golden models") {
  testing::check_tiny_model_gradients<cpu>({.kl_weight = 0.5});
}
TEST_CASE("cpu: gradients of the absolute error") {
  testing::check_small_model_gradients<cpu>({.reconstruction = ReconstructionLoss::l1});
}
TEST_CASE("cpu: gradients without quantization") {
  testing::check_small_model_gradients<cpu>({.quantize = false});
}
