// How functors and kernels start on the current device, in the calling thread's stream.
#pragma once

#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/system/cuda/execution_policy.h>
#include <thrust/system_error.h>

#include <string_view>

#include <tessera/backend/thrust/cuda_memory.hpp>
#include <tessera/core/types.hpp>

namespace tessera::thrust_detail {

/// `start` gives its status. Where a kernel starts first, its code is loaded into memory that the pool may hold unused.
template <class Start>
void cuda_start(std::string_view call, Start&& start) {
  cudaError_t status = start();
  if (status == cudaErrorMemoryAllocation && cuda_trim_memory()) status = start();
  check_cuda(status, call);
}

template <class F>
void cuda_for_each(Index count, const F& f) {
  cuda_start("thrust::for_each_n", [&] {
    cudaGetLastError();  // Thrust would take somebody's old error for its own, after it has started
    try {
      ::thrust::for_each_n(::thrust::cuda::par_nosync.on(cuda_stream), ::thrust::counting_iterator<Index>(0), count, f);
    } catch (const ::thrust::system_error& error) {
      return static_cast<cudaError_t>(error.code().value());
    }
    return cudaSuccess;
  });
}

/// Starts a kernel of kernels/ with so many threads a block.
template <class... Parameters, class... Arguments>
void cuda_run(void (*kernel)(Parameters...), dim3 grid, int threads, std::size_t shared_bytes,
              const Arguments&... arguments) {
  if (shared_bytes > (std::size_t{48} << 10)) {  // more than that must be asked for
    cuda_start("cudaFuncSetAttribute", [&] {
      return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes));
    });
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = shared_bytes;
  config.stream = cuda_stream;
  cuda_start("cudaLaunchKernelEx",
             [&] { return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...); });
}

}  // namespace tessera::thrust_detail
