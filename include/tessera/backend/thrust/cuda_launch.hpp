// How functors and kernels start on the current device, in the calling thread's stream.
#pragma once

#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/system/cuda/execution_policy.h>
#include <thrust/system_error.h>

#include <tessera/backend/thrust/cuda_stream.hpp>
#include <tessera/core/types.hpp>

namespace tessera::thrust_detail {

template <class F>
void cuda_for_each(Index count, const F& f) {
  try {
    ::thrust::for_each_n(::thrust::cuda::par_nosync.on(cuda_stream), ::thrust::counting_iterator<Index>(0), count, f);
  } catch (const ::thrust::system_error& error) {
    check_cuda(static_cast<cudaError_t>(error.code().value()), "thrust::for_each_n");
  }
}

/// Starts a kernel of kernels/ with so many threads a block.
template <class... Parameters, class... Arguments>
void cuda_run(void (*kernel)(Parameters...), dim3 grid, int threads, std::size_t shared_bytes,
              const Arguments&... arguments) {
  if (shared_bytes > (std::size_t{48} << 10)) {  // more than that must be asked for
    check_cuda(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
        "cudaFuncSetAttribute");
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = shared_bytes;
  config.stream = cuda_stream;
  check_cuda(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), "cudaLaunchKernelEx");
}

}  // namespace tessera::thrust_detail
