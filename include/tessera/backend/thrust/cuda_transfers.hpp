// A tokenizer's copies from pass to pass: through two pieces of pinned memory in each direction, beside the kernels.
// While one pass is computed, the next one's images go up and the last one's results come down.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>

#include <tessera/backend/thrust/cuda_copies.hpp>
#include <tessera/core/parallel.hpp>

namespace tessera::thrust_detail {

struct CudaEventEnd {
  void operator()(cudaEvent_t event) const { cudaEventDestroy(event); }
};
struct PinnedEnd {
  void operator()(void* memory) const { cudaFreeHost(memory); }
};
using CudaEventOwner = std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, CudaEventEnd>;
using PinnedOwner = std::unique_ptr<void, PinnedEnd>;

inline CudaEventOwner make_cuda_event() {
  cudaEvent_t event = nullptr;
  check_cuda(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  return CudaEventOwner(event);
}

/// A copy between the host's own memory and pinned memory: by all threads, as it is as fast as they are.
inline void copy_on_host(const void* from, void* to, std::size_t bytes) {
  constexpr std::size_t piece = std::size_t{1} << 20;
  parallel_for(static_cast<Index>((bytes + piece - 1) / piece), [&](Index i) {
    const std::size_t begin = static_cast<std::size_t>(i) * piece;
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin, std::min(piece, bytes - begin));
  });
}

/// What one copy is under way in.
class TransferSlot {
 public:
  TransferSlot() = default;
  TransferSlot(TransferSlot&&) noexcept = default;
  TransferSlot& operator=(TransferSlot&&) noexcept = default;
  ~TransferSlot() {
    // After an error a copy may still be under way. Its own is somebody else's to report.
    if (arrived_ != nullptr) cudaEventSynchronize(arrived_.get());
  }

  /// Waits for the copy before.
  void reserve(std::size_t bytes) {
    check_cuda(cudaEventSynchronize(arrived_.get()), "cudaEventSynchronize");
    if (bytes <= size_) return;
    size_ = 0;
    void* memory = nullptr;
    check_cuda(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault),
               "cudaHostAlloc of " + std::to_string(bytes) + " bytes");
    pinned_.reset(memory);
    device_ = CudaBuffer<std::byte>(static_cast<Index>(bytes));
    mark(free_, cuda_stream);
    size_ = bytes;
  }

  /// host -> pinned -> device in copies' stream -> there, in the calling thread's.
  template <class From, class To>
  void upload(View<const From> host, View<To> there, cudaStream_t copies) {
    copy_on_host(host.data(), pinned_.get(), host.size_bytes());
    wait(copies, free_);
    check_cuda(cudaMemcpyAsync(device<From>(), pinned_.get(), host.size_bytes(), cudaMemcpyHostToDevice, copies),
               "cudaMemcpyAsync");
    mark(arrived_, copies);
    wait(cuda_stream, arrived_);
    cuda_convert(View<const From>(device<From>(), host.size()), there);
    mark(free_, cuda_stream);
  }

  /// there -> device, in the calling thread's stream -> pinned in copies' -> host, in finish().
  template <class From, class To>
  void download(View<const From> there, View<To> host, cudaStream_t copies) {
    cuda_convert(there, View<To>(device<To>(), host.size()));
    mark(filled_, cuda_stream);
    wait(copies, filled_);
    check_cuda(cudaMemcpyAsync(pinned_.get(), device<To>(), host.size_bytes(), cudaMemcpyDeviceToHost, copies),
               "cudaMemcpyAsync");
    mark(arrived_, copies);
    host_ = host.data();
    host_bytes_ = host.size_bytes();
  }
  /// Throws Error(device) for what kernels before have done wrong.
  void finish() {
    if (host_ == nullptr) return;
    check_cuda(cudaEventSynchronize(arrived_.get()), "cudaEventSynchronize");
    copy_on_host(pinned_.get(), host_, host_bytes_);
    host_ = nullptr;
  }
  void forget() { host_ = nullptr; }

 private:
  static void mark(const CudaEventOwner& event, cudaStream_t stream) {
    check_cuda(cudaEventRecord(event.get(), stream), "cudaEventRecord");
  }
  static void wait(cudaStream_t stream, const CudaEventOwner& event) {
    check_cuda(cudaStreamWaitEvent(stream, event.get(), 0), "cudaStreamWaitEvent");
  }
  template <class T>
  T* device() {
    return reinterpret_cast<T*>(device_.view().data());
  }

  CudaEventOwner free_ = make_cuda_event();     // device_ is there, and nobody reads it any more
  CudaEventOwner filled_ = make_cuda_event();   // device_ has what goes down
  CudaEventOwner arrived_ = make_cuda_event();  // the copy between pinned_ and device_ is done
  PinnedOwner pinned_;
  CudaBuffer<std::byte> device_;
  std::size_t size_ = 0;
  void* host_ = nullptr;  // of a download that is not finished
  std::size_t host_bytes_ = 0;
};

/// The concept's Transfers. Memory is made where a larger copy than any before asks for it.
class CudaTransfers {
 public:
  template <class From, class To>
  void upload(View<const From> host, View<To> there) {
    if (host.empty()) return;
    TransferSlot& slot = uploads_[next_upload_++ % uploads_.size()];
    slot.reserve(host.size_bytes());
    slot.upload(host, there, up_.get());
  }
  template <class From, class To>
  void download(View<const From> there, View<To> host) {
    if (host.empty()) return;
    TransferSlot& slot = downloads_[next_download_++ % downloads_.size()];
    slot.finish();
    slot.reserve(host.size_bytes());
    slot.download(there, host, down_.get());
  }
  void wait() {
    for (TransferSlot& slot : downloads_) slot.finish();
    check_cuda(cudaStreamSynchronize(cuda_stream), "cudaStreamSynchronize");
  }
  void forget() {
    for (TransferSlot& slot : downloads_) slot.forget();
  }

 private:
  CudaStreamOwner up_ = make_cuda_stream(), down_ = make_cuda_stream();
  std::array<TransferSlot, 2> uploads_, downloads_;
  std::size_t next_upload_ = 0, next_download_ = 0;
};

}  // namespace tessera::thrust_detail
