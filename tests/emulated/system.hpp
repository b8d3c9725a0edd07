// thrust_host with the GPU's kernels: what Thrust runs is OpenMP's, what kernels/ holds runs in emulated threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include <emulated/device.hpp>

#include <tessera/backend/thrust/bfloat16.hpp>
#include <tessera/backend/thrust/gpu.hpp>
#include <tessera/backend/thrust/omp_system.hpp>

namespace tessera::testing {

template <class S>
struct EmulatedSystem : thrust_detail::OmpSystem<S> {
  template <class... Parameters, class... Arguments>
  static void run(void (*kernel)(Parameters...), dim3 grid, int threads, std::size_t shared_bytes,
                  const Arguments&... arguments) {
    emulated::run_grid(grid, threads, shared_bytes, [&] { kernel(arguments...); });
  }

  /// Of NaN.
  template <class T>
  static AlignedBuffer<T> scratch(Index size) {
    AlignedBuffer<T> buffer(size);
    std::ranges::fill(std::as_writable_bytes(buffer.view()), std::byte{0xff});
    return buffer;
  }

  /// What the GPU's library would multiply.
  template <class Output>
  static void multiply(const thrust_detail::MatrixProduct<S, Output>& p) {
#pragma omp parallel for
    for (Index row = 0; row < (p.depth > 0 ? p.rows : 0); ++row) {
      for (Index column = 0; column < p.columns; ++column) {
        float sum = 0;
        for (Index d = 0; d < p.depth; ++d) {
          const S& a = p.a_transposed ? p.a[d * p.rows + row] : p.a[row * p.depth + d];
          const S& b = p.b_transposed ? p.b[column * p.depth + d] : p.b[d * p.columns + column];
          sum += a * b;
        }
        const Index at = row * p.columns + column;
        if (p.bias != nullptr) sum += p.bias[column];
        p.c[at] = p.residual == nullptr ? sum : p.residual[at] + sum;
      }
    }
  }
};

using emulated_gpu = basic_gpu<EmulatedSystem<float>>;
using emulated_gpu_bf16 = basic_gpu<EmulatedSystem<bfloat16>>;
static_assert(Backend<emulated_gpu> && Backend<emulated_gpu_bf16>);

}  // namespace tessera::testing
