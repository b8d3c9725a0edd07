// The training loss's gradient on the tested backend, against the reference in double, whose own is tested in
// model_gradients.cpp.
#include <check/model_gradients.hpp>

#include <backend/tested.hpp>

using namespace tessera;
using testing::Tested;

TEST_CASE("backend: gradients of the usual loss") {
  testing::check_small_model_gradients<Tested>({.kl_weight = 0.5});
}
TEST_CASE("backend: gradients of the golden models") {
  testing::check_tiny_model_gradients<Tested>({.kl_weight = 0.5});
}
TEST_CASE("backend: gradients of the absolute error") {
  testing::check_small_model_gradients<Tested>({.reconstruction = ReconstructionLoss::l1});
}
TEST_CASE("backend: gradients without quantization") {
  testing::check_small_model_gradients<Tested>({.quantize = false});
}
