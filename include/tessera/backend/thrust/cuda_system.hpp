// Thrust's CUDA device system: functors run on the current device, in the calling thread's stream.
#pragma once

#ifndef __CUDACC__
#error "tessera::cuda is compiled by nvcc; without a GPU, tessera::thrust_host runs the same operations."
#endif

#include <cuda_runtime_api.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/system/cuda/execution_policy.h>
#include <thrust/system_error.h>

#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>

namespace tessera {

namespace thrust_detail {

inline thread_local cudaStream_t cuda_stream = nullptr;  // CUDA's default: one for all threads

/// Throws Error(device) unless `status` is success; what CUDA remembers of the failure is cleared first.
inline void check_cuda(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw Error(ErrorCode::device, call, cudaGetErrorString(status), "success");
}

/// The current device's pool of memory: what is freed stays there for the next who asks. As a device's context, it ends
/// with the program.
inline cudaMemPool_t cuda_pool() {
  static std::mutex mutex;
  static std::map<int, cudaMemPool_t> pools;
  int device = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  const std::lock_guard lock(mutex);
  cudaMemPool_t& pool = pools[device];
  if (pool != nullptr) return pool;
  cudaMemPoolProps properties{};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = device;
  cudaMemPool_t made = nullptr;
  check_cuda(cudaMemPoolCreate(&made, &properties), "cudaMemPoolCreate");
  std::uint64_t all = std::numeric_limits<std::uint64_t>::max();
  if (const auto status = cudaMemPoolSetAttribute(made, cudaMemPoolAttrReleaseThreshold, &all); status != cudaSuccess) {
    cudaMemPoolDestroy(made);
    check_cuda(status, "cudaMemPoolSetAttribute");
  }
  return pool = made;
}

/// What an allocation that fails could not have: the device's free memory, and what the pool holds of it unused.
inline std::string cuda_memory_left(cudaMemPool_t pool) {
  std::size_t free = 0, total = 0;
  std::uint64_t reserved = 0, used = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  check_cuda(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &reserved), "cudaMemPoolGetAttribute");
  check_cuda(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used), "cudaMemPoolGetAttribute");
  return std::to_string(free) + " being free and " + std::to_string(reserved - used) + " in the pool, unused";
}

inline void* cuda_allocate(std::size_t bytes) {
  const cudaMemPool_t pool = cuda_pool();
  void* memory = nullptr;
  auto status = cudaMallocFromPoolAsync(&memory, bytes, pool, cuda_stream);
  if (status == cudaErrorMemoryAllocation) {
    // What was freed may wait for its stream, or lie in the pool in pieces that are too small.
    cudaGetLastError();
    check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    check_cuda(cudaMemPoolTrimTo(pool, 0), "cudaMemPoolTrimTo");
    status = cudaMallocFromPoolAsync(&memory, bytes, pool, cuda_stream);
  }
  if (status != cudaSuccess) {
    const std::string call = "cudaMallocFromPoolAsync of " + std::to_string(bytes) + " bytes, ";
    check_cuda(status, (call + cuda_memory_left(pool)).c_str());
  }
  return memory;
}

/// Device memory, zeroed, made and freed in the order of the stream.
template <class T>
class CudaBuffer {
 public:
  CudaBuffer() = default;
  /// Throws Error(device) with the bytes that were asked for and those that are left, std::bad_array_new_length where
  /// they are more than can be counted.
  explicit CudaBuffer(Index size) : CudaBuffer() {  // so that a failure below frees what there is
    if (size == 0) return;
    if (size < 0 || size > static_cast<Index>(PTRDIFF_MAX / sizeof(T))) throw std::bad_array_new_length();
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T);
    data_ = static_cast<T*>(cuda_allocate(bytes));
    size_ = static_cast<std::size_t>(size);
    check_cuda(cudaMemsetAsync(data_, 0, bytes, cuda_stream), "cudaMemsetAsync");
  }
  CudaBuffer(CudaBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  CudaBuffer& operator=(CudaBuffer&& other) noexcept {
    CudaBuffer moved(std::move(other));
    std::swap(data_, moved.data_);
    std::swap(size_, moved.size_);
    return *this;
  }
  ~CudaBuffer() {
    // A failure is an earlier operation's, or the memory's own: the next kernel must not find it as its own.
    if (data_ != nullptr && cudaFreeAsync(data_, cuda_stream) != cudaSuccess) cudaGetLastError();
  }

  [[nodiscard]] View<T> view() { return {data_, size_}; }
  [[nodiscard]] View<const T> view() const { return {data_, size_}; }
  [[nodiscard]] Index size() const { return static_cast<Index>(size_); }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Copies return when they are done: the caller's memory may be gone the moment after.
struct CudaMemory {
  template <class T>
  using Buffer = CudaBuffer<T>;

  static void expect_one_write(View<float> /*buffer*/) {}
  static void upload(View<const float> host, View<float> there) { copy(host, there, cudaMemcpyHostToDevice); }
  static void download(View<const float> there, View<float> host) { copy(there, host, cudaMemcpyDeviceToHost); }
  static void upload_tokens(View<const Token> host, View<Token> there) { copy(host, there, cudaMemcpyHostToDevice); }
  static void download_tokens(View<const Token> there, View<Token> host) { copy(there, host, cudaMemcpyDeviceToHost); }
  static View<const float> stage(View<const float> host, Buffer<float>& staging) {
    if (staging.view().size() < host.size()) staging = Buffer<float>(static_cast<Index>(host.size()));
    const View<float> there = staging.view().first(host.size());
    upload(host, there);
    return there;
  }

  template <class T>
  static void copy(View<const T> from, View<T> to, cudaMemcpyKind kind) {
    if (from.empty()) return;
    check_cuda(cudaMemcpyAsync(to.data(), from.data(), from.size_bytes(), kind, cuda_stream), "cudaMemcpyAsync");
    check_cuda(cudaStreamSynchronize(cuda_stream), "cudaStreamSynchronize");
  }
};

struct CudaSystem {
  using Scalar = float;
  using Memory = CudaMemory;
  static constexpr bool has_kernels = false;

  template <class F>
  static void for_each(Index count, const F& f) {
    try {
      ::thrust::for_each_n(::thrust::cuda::par_nosync.on(cuda_stream), ::thrust::counting_iterator<Index>(0), count, f);
    } catch (const ::thrust::system_error& error) {
      check_cuda(static_cast<cudaError_t>(error.code().value()), "thrust::for_each_n");
    }
  }
  /// Starts a kernel of kernels/ with so many threads a block.
  template <class... Parameters, class... Arguments>
  static void run(void (*kernel)(Parameters...), dim3 grid, int threads, std::size_t shared_bytes,
                  const Arguments&... arguments) {
    if (shared_bytes > (std::size_t{48} << 10)) {  // more than that must be asked for
      check_cuda(
          cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
          "cudaFuncSetAttribute of shared memory");
    }
    kernel<<<grid, static_cast<unsigned>(threads), shared_bytes, cuda_stream>>>(arguments...);
    check_cuda(cudaGetLastError(), "a kernel's start");
  }
  static std::vector<double> read(View<const double> there) {
    std::vector<double> values(there.size());
    CudaMemory::copy(there, View<double>(values), cudaMemcpyDeviceToHost);
    return values;
  }
};

}  // namespace thrust_detail

/// The stream that the calling thread's operations run in from now on; at first CUDA's default one. A tokenizer, a
/// trainer or a buffer is made, used and destroyed under one stream and one device: memory is given and taken back in
/// the stream's order. Waits for the stream before, which must still exist; throws Error(device).
inline void set_cuda_stream(cudaStream_t stream) {
  thrust_detail::check_cuda(cudaStreamSynchronize(thrust_detail::cuda_stream), "cudaStreamSynchronize");
  thrust_detail::cuda_stream = stream;
}

}  // namespace tessera
