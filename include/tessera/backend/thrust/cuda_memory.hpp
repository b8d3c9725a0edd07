// Memory on the current device, from a pool that keeps what is given back.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include <tessera/backend/thrust/cuda_stream.hpp>
#include <tessera/core/types.hpp>

namespace tessera::thrust_detail {

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

/// What the pool holds unused.
inline std::uint64_t cuda_pool_left(cudaMemPool_t pool) {
  std::uint64_t reserved = 0, used = 0;
  check_cuda(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &reserved), "cudaMemPoolGetAttribute");
  check_cuda(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used), "cudaMemPoolGetAttribute");
  return reserved - used;
}

/// Gives the device back what pools and graphs hold unused: what was freed may wait for its stream, or lie there in
/// pieces that are too small. False where the stream is being recorded, which forbids it.
inline bool cuda_trim_memory() {
  cudaGetLastError();
  cudaStreamCaptureStatus recording{};
  check_cuda(cudaStreamIsCapturing(cuda_stream, &recording), "cudaStreamIsCapturing");
  if (recording != cudaStreamCaptureStatusNone) return false;
  int device = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  check_cuda(cudaStreamSynchronize(cuda_stream), "cudaStreamSynchronize");
  check_cuda(cudaMemPoolTrimTo(cuda_pool(), 0), "cudaMemPoolTrimTo");
  check_cuda(cudaDeviceGraphMemTrim(device), "cudaDeviceGraphMemTrim");
  return true;
}

inline void* cuda_allocate(std::size_t bytes) {
  const cudaMemPool_t pool = cuda_pool();
  void* memory = nullptr;
  auto status = cudaMallocFromPoolAsync(&memory, bytes, pool, cuda_stream);
  if (status == cudaErrorMemoryAllocation && cuda_trim_memory()) {
    status = cudaMallocFromPoolAsync(&memory, bytes, pool, cuda_stream);
  }
  if (status != cudaSuccess) {
    check_cuda(status, "cudaMallocFromPoolAsync of " + std::to_string(bytes) + " bytes, the pool having " +
                           std::to_string(cuda_pool_left(pool)) + " unused");
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
  explicit CudaBuffer(Index size) : CudaBuffer(unwritten(size)) {
    if (size > 0) check_cuda(cudaMemsetAsync(data_, 0, view().size_bytes(), cuda_stream), "cudaMemsetAsync");
  }
  /// The same, not zeroed.
  static CudaBuffer unwritten(Index size) {
    CudaBuffer buffer;
    if (size == 0) return buffer;
    if (size < 0 || size > static_cast<Index>(PTRDIFF_MAX / sizeof(T))) throw std::bad_array_new_length();
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T);
    buffer.data_ = static_cast<T*>(cuda_allocate(bytes));
    buffer.size_ = static_cast<std::size_t>(size);
    return buffer;
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

/// Returns when it is done: the caller's memory may be gone the moment after.
template <class T>
void cuda_copy(View<const T> from, View<T> to, cudaMemcpyKind kind) {
  if (from.empty()) return;
  check_cuda(cudaMemcpyAsync(to.data(), from.data(), from.size_bytes(), kind, cuda_stream), "cudaMemcpyAsync");
  check_cuda(cudaStreamSynchronize(cuda_stream), "cudaStreamSynchronize");
}

}  // namespace tessera::thrust_detail
