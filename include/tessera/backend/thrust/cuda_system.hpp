// Thrust's CUDA device system: functors and kernels run on the current device, in the calling thread's stream.
#pragma once

#include <vector>

#include <tessera/backend/thrust/cublaslt.hpp>
#include <tessera/backend/thrust/cuda_copies.hpp>
#include <tessera/backend/thrust/cuda_graph.hpp>
#include <tessera/backend/thrust/cuda_transfers.hpp>

namespace tessera::thrust_detail {

/// What is stored is of type S; matrix products of float32 are computed as `compute` says.
template <class S, cublasComputeType_t compute>
struct CudaSystem {
  using Scalar = S;

  struct Memory : CudaMemory<S> {
    using Transfers = CudaTransfers;
    using Replay = CudaReplay;
  };

  template <class F>
  static void for_each(Index count, const F& f) {
    cuda_for_each(count, f);
  }
  template <class... Parameters, class... Arguments>
  static void run(void (*kernel)(Parameters...), dim3 grid, int threads, std::size_t shared_bytes,
                  const Arguments&... arguments) {
    cuda_run(kernel, grid, threads, shared_bytes, arguments...);
  }
  template <class T>
  static CudaBuffer<T> scratch(Index size) {
    return CudaBuffer<T>::unwritten(size);
  }
  template <class Output>
  static void multiply(const MatrixProduct<S, Output>& product) {
    cublaslt_multiply(product, compute);
  }
  static std::vector<double> read(View<const double> there) {
    std::vector<double> values(there.size());
    cuda_copy(there, View<double>(values), cudaMemcpyDeviceToHost);
    return values;
  }
};

}  // namespace tessera::thrust_detail
