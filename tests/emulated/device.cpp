// The emulated GPU's own instructions: what kernels are tested with must be right itself.
#include <doctest/doctest.h>

#include <numeric>
#include <random>
#include <vector>

#include <emulated/system.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>

using namespace tessera;
using System = testing::EmulatedSystem<float>;
namespace ptx = thrust_detail::ptx;

namespace {

/// c [16, 8] = a [16, 16] b [16, 8], both from shared memory: a as it lies, b transposed while it is loaded.
__global__ void product(const bfloat16* a, const bfloat16* b, float* c) {
  auto* shared = reinterpret_cast<bfloat16*>(ptx::shared_memory());
  const unsigned lane = threadIdx.x;
  ptx::copy_async(shared + lane * 8, a + lane * 8, true);
  ptx::copy_async(shared + 256 + lane * 8, b + lane % 16 * 8, lane < 16);
  ptx::commit_copies();
  ptx::wait_for_copies<0>();
  __syncwarp();
  std::uint32_t left[4], right[4];
  ptx::load_matrices(left, shared + lane % 16 * 16 + lane / 16 * 8);
  ptx::load_matrices_transposed(right, shared + 256 + lane % 16 * 8);
  float sums[4] = {};
  ptx::multiply_add(sums, left, right[0], right[1]);
  for (unsigned i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
}

/// y[i] = the sum of x over the block, by halves.
__global__ void sum(const float* x, float* y) {
  auto* shared = reinterpret_cast<float*>(ptx::shared_memory());
  const unsigned i = threadIdx.x;
  shared[i] = x[i];
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (i < half) shared[i] += shared[i + half];
    __syncthreads();
  }
  y[blockIdx.x * blockDim.x + i] = shared[0];
}

}  // namespace

TEST_CASE("emulated GPU: matrices of bfloat16") {
  std::mt19937 generator(1);
  const auto whole = [&](std::size_t n) {
    std::vector<bfloat16> values(n);
    for (bfloat16& value : values) value = static_cast<float>(generator() % 17) - 8.0F;
    return values;
  };
  const auto a = whole(256), b = whole(128);
  for (const bool descending : {false, true}) {
    testing::emulated::descending = descending;
    std::vector<float> c(128, -1.0F);
    System::run(product, dim3{1, 1, 1}, 32, 512 * sizeof(bfloat16), a.data(), b.data(), c.data());
    for (std::size_t row = 0; row < 16; ++row) {
      for (std::size_t column = 0; column < 8; ++column) {
        float expected = 0;
        for (std::size_t k = 0; k < 16; ++k) expected += static_cast<float>(a[row * 16 + k]) * b[k * 8 + column];
        CHECK(c[row * 8 + column] == expected);
      }
    }
  }
  testing::emulated::descending = false;
}

TEST_CASE("emulated GPU: barriers and a grid") {
  std::vector<float> x(128), y(3 * 128);
  std::iota(x.begin(), x.end(), 1.0F);
  System::run(sum, dim3{3, 1, 1}, 128, 128 * sizeof(float), x.data(), y.data());
  CHECK(y == std::vector<float>(3 * 128, 128.0F * 129 / 2));
}
