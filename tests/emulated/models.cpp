// Whole models with a GPU's kernels and products: what PyTorch computed, as for every backend.
#include <check/golden_models.hpp>
#include <check/golden_training.hpp>
#include <emulated/system.hpp>

using namespace tessera;
using testing::emulated_gpu;

TEST_CASE("golden models: emulated GPU") {
  testing::check_golden<presets::tiny_titok_cosine, emulated_gpu>("tiny_titok_cosine");
  testing::check_golden<presets::tiny_tatitok_vae, emulated_gpu>("tiny_tatitok_vae");
  testing::check_golden<presets::tiny_titok_legacy, emulated_gpu>("tiny_titok_legacy");
}

TEST_CASE("golden training: emulated GPU") {
  testing::check_training<presets::tiny_titok_cosine, emulated_gpu>("tiny_titok_cosine");
}
