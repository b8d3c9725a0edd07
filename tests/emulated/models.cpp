// Whole models with a GPU's kernels and products: what PyTorch computed, as for every backend.
#include <check/golden_models.hpp>
#include <check/golden_training.hpp>
#include <emulated/system.hpp>

using namespace tessera;
using testing::emulated_gpu;

TEST_CASE("golden models: emulated GPU") {
  testing::check_golden_models<emulated_gpu>();
}
TEST_CASE("golden training: emulated GPU") {
  testing::check_golden_training<emulated_gpu>();
}
