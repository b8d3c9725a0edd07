// The emulated GPU's own instructions: what kernels are tested with must be right itself, and must show what is wrong.
#include <tessera/backend/thrust/kernels/ptx.hpp>

#include <algorithm>
#include <numeric>

#include <emulated/formats.hpp>

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

/// y[i] = x[i + 1], and x[0] at the end.
template <bool waits>
__global__ void rotate(const float* x, float* y) {
  auto* shared = reinterpret_cast<float*>(ptx::shared_memory());
  const unsigned i = threadIdx.x;
  shared[i] = x[i];
  if constexpr (waits) __syncthreads();
  y[i] = shared[(i + 1) % blockDim.x];
}

/// y = x, four values a thread.
template <bool waits>
__global__ void copy(const float* x, float* y) {
  const unsigned i = threadIdx.x * 4;
  auto* shared = reinterpret_cast<float*>(ptx::shared_memory()) + i;
  ptx::copy_async(shared, x + i, true);
  ptx::commit_copies();
  if constexpr (waits) ptx::wait_for_copies<0>();
  for (unsigned j = 0; j < 4; ++j) y[i + j] = shared[j];
}

/// y = what shared memory holds before anybody has written it.
template <class S>
__global__ void read_shared(float* y) {
  y[threadIdx.x] = reinterpret_cast<const S*>(ptx::shared_memory())[threadIdx.x];
}

bool all_nan(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isnan(value); });
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
  testing::both_schedules([&] {
    std::vector<float> c(128, -1.0F);
    System::run(product, dim3{1, 1, 1}, 32, 512 * sizeof(bfloat16), a.data(), b.data(), c.data());
    for (std::size_t row = 0; row < 16; ++row) {
      for (std::size_t column = 0; column < 8; ++column) {
        float expected = 0;
        for (std::size_t k = 0; k < 16; ++k) expected += static_cast<float>(a[row * 16 + k]) * b[k * 8 + column];
        CHECK(c[row * 8 + column] == expected);
      }
    }
  });
}

TEST_CASE("emulated GPU: barriers and a grid") {
  std::vector<float> x(128), y(3 * 128);
  std::iota(x.begin(), x.end(), 1.0F);
  System::run(sum, dim3{3, 1, 1}, 128, 128 * sizeof(float), x.data(), y.data());
  CHECK(y == std::vector<float>(3 * 128, 128.0F * 129 / 2));
}

TEST_CASE("emulated GPU: where a barrier is missing, the order of threads shows") {
  std::vector<float> x(128);
  std::iota(x.begin(), x.end(), 1.0F);
  const auto run = [&](void (*kernel)(const float*, float*)) {
    std::vector<float> y(128);
    System::run(kernel, dim3{1, 1, 1}, 128, 128 * sizeof(float), x.data(), y.data());
    return y;
  };
  auto expected = x;
  std::rotate(expected.begin(), expected.begin() + 1, expected.end());
  testing::both_schedules([&] { CHECK(run(rotate<true>) == expected); });

  const auto ascending = run(rotate<false>);
  testing::with_other_schedule([&] { CHECK(!testing::same_bytes(run(rotate<false>), ascending)); });
}

TEST_CASE("emulated GPU: an asynchronous copy arrives at its wait, in the other schedule at once") {
  std::vector<float> x(128), y(128, 0.0F);
  std::iota(x.begin(), x.end(), 1.0F);
  System::run(copy<true>, dim3{1, 1, 1}, 32, 128 * sizeof(float), x.data(), y.data());
  CHECK(y == x);
  System::run(copy<false>, dim3{1, 1, 1}, 32, 128 * sizeof(float), x.data(), y.data());
  CHECK(all_nan(y));
  testing::with_other_schedule([&] {
    System::run(copy<false>, dim3{1, 1, 1}, 32, 128 * sizeof(float), x.data(), y.data());
    CHECK(y == x);
  });
}

TEST_CASE("emulated GPU: shared memory that nobody has written is NaN in every format") {
  const auto read = [](void (*kernel)(float*), std::size_t value_bytes) {
    std::vector<float> y(64, 0.0F);
    System::run(kernel, dim3{1, 1, 1}, 64, 64 * value_bytes, y.data());
    return y;
  };
  CHECK(all_nan(read(read_shared<float>, sizeof(float))));
  CHECK(all_nan(read(read_shared<bfloat16>, sizeof(bfloat16))));
}
