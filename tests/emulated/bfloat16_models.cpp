// Whole models in bfloat16: with a GPU's kernels, and with Thrust's functors alone.
#include <check/bfloat16_models.hpp>
#include <emulated/system.hpp>

using namespace tessera;
using testing::emulated_gpu, testing::emulated_gpu_bf16;

TEST_CASE("bfloat16: tokens and pictures") {
  testing::check_bfloat16_models<emulated_gpu_bf16>();
}
TEST_CASE("bfloat16: tokens and pictures on Thrust's OpenMP system") {
  using host_bf16 = basic_thrust<thrust_detail::OmpSystem<bfloat16>>;
  static_assert(Backend<host_bf16>);
  CHECK(testing::agreement<presets::tiny_titok_cosine, host_bf16>("tiny_titok_cosine") > 0.9);
  CHECK(testing::picture_difference<presets::tiny_titok_cosine, host_bf16>("tiny_titok_cosine") < 0.02);
}
TEST_CASE("bfloat16: training follows float32's losses") {
  testing::check_bfloat16_training<emulated_gpu_bf16, emulated_gpu>();
}
