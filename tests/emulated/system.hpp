// thrust_host with the GPU's kernels: what Thrust runs is OpenMP's, what kernels/ holds runs in emulated threads.
#pragma once

#include <emulated/device.hpp>

#include <tessera/backend/thrust/bfloat16.hpp>
#include <tessera/backend/thrust/omp_system.hpp>

namespace tessera::testing {

template <class S>
struct EmulatedSystem : thrust_detail::OmpSystem<S> {
  static constexpr bool has_kernels = true;

  template <class... Parameters, class... Arguments>
  static void run(void (*kernel)(Parameters...), dim3 grid, int threads, std::size_t shared_bytes,
                  const Arguments&... arguments) {
    emulated::run_grid(grid, threads, shared_bytes, [&] { kernel(arguments...); });
  }
};

}  // namespace tessera::testing
