// The tests of operations hand std::vectors to a backend. For a GPU, this program's operator new gives memory that both
// sides share (shared_memory.cpp), and every kernel is waited for.
#pragma once

#include <tessera/backend/thrust/cuda.hpp>

namespace tessera::testing {

template <class S>
struct SharedSystem : thrust_detail::CudaSystem<S, CUBLAS_COMPUTE_32F> {
  using CudaSystem = thrust_detail::CudaSystem<S, CUBLAS_COMPUTE_32F>;

  template <class F>
  static void for_each(Index count, const F& f) {
    CudaSystem::for_each(count, f);
    wait();
  }
  template <class... Arguments>
  static void run(Arguments... arguments) {
    CudaSystem::run(arguments...);
    wait();
  }
  template <class Product>
  static void multiply(const Product& product) {
    CudaSystem::multiply(product);
    wait();
  }

 private:
  static void wait() { thrust_detail::check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize"); }
};

using shared_memory_gpu = basic_gpu<SharedSystem<float>>;

}  // namespace tessera::testing
