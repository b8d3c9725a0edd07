// The stream that a thread's operations run in, and what becomes of CUDA's errors.
#pragma once

#ifndef __CUDACC__
#error "tessera::cuda is compiled by nvcc; without a GPU, tessera::thrust_host runs the same operations."
#endif

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include <tessera/core/error.hpp>

namespace tessera {

namespace thrust_detail {

/// At first the thread's own default stream.
inline thread_local cudaStream_t cuda_stream = cudaStreamPerThread;

/// Throws Error(device) unless `status` is success; what CUDA remembers of the failure is cleared first. Where memory
/// ended, it says how much is free.
inline void check_cuda(cudaError_t status, std::string_view call) {
  if (status == cudaSuccess) return;
  std::string found = cudaGetErrorString(status);
  std::size_t free = 0, total = 0;
  if (status == cudaErrorMemoryAllocation && cudaMemGetInfo(&free, &total) == cudaSuccess) {
    found += ", " + std::to_string(free) + " bytes of the device being free";
  }
  cudaGetLastError();
  throw Error(ErrorCode::device, std::string(call), found, "success");
}

struct CudaStreamEnd {
  void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
};
using CudaStreamOwner = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, CudaStreamEnd>;

/// A stream that does not wait for CUDA's legacy one.
inline CudaStreamOwner make_cuda_stream() {
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  return CudaStreamOwner(stream);
}

}  // namespace thrust_detail

/// While it lives, the calling thread's operations run in `stream`. A tokenizer, a trainer or a buffer is made, used
/// and destroyed by one thread, under one stream and one device: memory is given and taken back in the stream's order,
/// and so do copies. Waits for the stream before and, at the end, for this one; both must still exist. Throws
/// Error(device).
class CudaStreamScope {
 public:
  explicit CudaStreamScope(cudaStream_t stream) : before_(thrust_detail::cuda_stream) {
    thrust_detail::check_cuda(cudaStreamSynchronize(before_), "cudaStreamSynchronize");
    thrust_detail::cuda_stream = stream;
  }
  ~CudaStreamScope() {
    // A failure that nobody waited for: the next operation reports it.
    cudaStreamSynchronize(thrust_detail::cuda_stream);
    thrust_detail::cuda_stream = before_;
  }
  CudaStreamScope(const CudaStreamScope&) = delete;
  CudaStreamScope& operator=(const CudaStreamScope&) = delete;

 private:
  cudaStream_t before_;
};

}  // namespace tessera
