// A device system whose memory only its kernels and copies can touch: what anybody else reads or writes ends the
// program, as a GPU's memory would.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <functional>
#include <new>
#include <utility>
#include <vector>

#include <tessera/backend/thrust/omp_system.hpp>
#include <tessera/backend/thrust/thrust.hpp>

namespace tessera::testing {

/// Pages of the device. All of them open and close together.
class WalledPages {
 public:
  WalledPages() = default;
  explicit WalledPages(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    start_ = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start_ == MAP_FAILED) throw std::bad_alloc();
    all().push_back({start_, bytes});
  }
  WalledPages(WalledPages&& other) noexcept
      : start_(std::exchange(other.start_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  WalledPages& operator=(WalledPages&& other) noexcept {
    WalledPages moved(std::move(other));
    std::swap(start_, moved.start_);
    std::swap(bytes_, moved.bytes_);
    return *this;
  }
  ~WalledPages() {
    if (start_ == nullptr) return;
    std::erase_if(all(), [this](const auto& pages) { return pages.first == start_; });
    ::munmap(start_, bytes_);
  }
  [[nodiscard]] void* start() const { return start_; }

  /// While one lives, the pages can be read and written.
  struct Door {
    Door() { protect(PROT_READ | PROT_WRITE); }
    ~Door() { protect(PROT_NONE); }
    Door(const Door&) = delete;
    Door& operator=(const Door&) = delete;
  };

 private:
  static std::vector<std::pair<void*, std::size_t>>& all() {
    static std::vector<std::pair<void*, std::size_t>> pages;
    return pages;
  }
  static void protect(int access) {
    for (const auto& [start, bytes] : all()) ::mprotect(start, bytes, access);
  }

  void* start_ = nullptr;
  std::size_t bytes_ = 0;
};

struct WalledMemory {
  template <class T>
  class Buffer {
   public:
    Buffer() = default;
    explicit Buffer(Index size) : size_(static_cast<std::size_t>(size)), pages_(size_ * sizeof(T)) {}
    [[nodiscard]] View<T> view() { return {static_cast<T*>(pages_.start()), size_}; }
    [[nodiscard]] View<const T> view() const { return {static_cast<const T*>(pages_.start()), size_}; }
    [[nodiscard]] Index size() const { return static_cast<Index>(size_); }

   private:
    std::size_t size_ = 0;
    WalledPages pages_;
  };

  static void expect_one_write(View<float> /*buffer*/) {}
  static void upload(View<const float> host, View<float> there) { copy(host, there); }
  static void download(View<const float> there, View<float> host) { copy(there, host); }
  static void upload_tokens(View<const Token> host, View<Token> there) { copy(host, there); }
  static void download_tokens(View<const Token> there, View<Token> host) { copy(there, host); }
  static View<const float> stage(View<const float> host, Buffer<float>& staging) {
    if (staging.view().size() < host.size()) staging = Buffer<float>(static_cast<Index>(host.size()));
    upload(host, staging.view().first(host.size()));
    return staging.view().first(host.size());
  }

  /// Downloads reach the host in wait() and no sooner.
  class Transfers {
   public:
    template <class T>
    void upload(View<const T> host, View<T> there) {
      copy(host, there);
    }
    template <class T>
    void download(View<const T> there, View<T> host) {
      std::vector<T> values(there.size());
      copy(there, View<T>(values));
      pending_.emplace_back([host, values = std::move(values)] { std::ranges::copy(values, host.begin()); });
    }
    void wait() {
      for (const auto& arrive : pending_) arrive();
      forget();
    }
    void forget() { pending_.clear(); }

   private:
    std::vector<std::function<void()>> pending_;
  };
  using Replay = HostMemory<float>::Replay;

 private:
  template <class T>
  static void copy(View<const T> from, View<T> to) {
    const WalledPages::Door door;
    std::ranges::copy(from, to.begin());
  }
};

struct WalledSystem {
  using Scalar = float;
  using Memory = WalledMemory;

  template <class F>
  static void for_each(Index count, const F& f) {
    const WalledPages::Door door;
    thrust_detail::OmpSystem<float>::for_each(count, f);
  }
  static std::vector<double> read(View<const double> there) {
    const WalledPages::Door door;
    return thrust_detail::OmpSystem<float>::read(there);
  }
};

using walled = basic_thrust<WalledSystem>;
static_assert(Backend<walled>);

}  // namespace tessera::testing
