// Whole models in the faster formats.
#include <check/bfloat16_models.hpp>

#include <tessera/backend/thrust/cuda.hpp>

using namespace tessera;

TEST_CASE("cuda_bf16: tokens and pictures") {
  testing::check_bfloat16_models<cuda_bf16>();
}
TEST_CASE("cuda_bf16: training follows float32's losses") {
  testing::check_bfloat16_training<cuda_bf16, tessera::cuda>();
}
TEST_CASE("cuda_tf32: tokens and pictures") {
  constexpr Config cosine = presets::tiny_titok_cosine;
  CHECK(testing::agreement<cosine, cuda_tf32>("tiny_titok_cosine") > 0.95);
  CHECK(testing::picture_difference<cosine, cuda_tf32>("tiny_titok_cosine") < 0.005);
}
