// Aligned memory on the host.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <tessera/core/types.hpp>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace tessera {

namespace detail {

inline constexpr std::size_t huge_page = std::size_t{2} << 20;

#ifdef __linux__
/// Zeros from the kernel, which makes a page when it is first touched: on the thread that works on it, and never if
/// nobody does. Asks for pages of 2 MiB where they exist: a matrix product walks over more small pages than a processor
/// remembers, which cost it up to 10 % of its speed.
class ZeroPages {
 public:
  ZeroPages() = default;
  /// At least one huge page. Throws std::bad_alloc.
  explicit ZeroPages(std::size_t bytes) : size_(bytes + huge_page) {
    mapping_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping_ == MAP_FAILED) {
      mapping_ = nullptr;
      throw std::bad_alloc();
    }
    ::madvise(data(), bytes, MADV_HUGEPAGE);
  }
  ZeroPages(ZeroPages&& other) noexcept
      : mapping_(std::exchange(other.mapping_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  ZeroPages& operator=(ZeroPages&& other) noexcept {
    std::swap(mapping_, other.mapping_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~ZeroPages() {
    if (mapping_ != nullptr) ::munmap(mapping_, size_);
  }

  /// On a boundary of 2 MiB.
  [[nodiscard]] void* data() const {
    const auto address = reinterpret_cast<std::uintptr_t>(mapping_);
    return reinterpret_cast<void*>((address + huge_page - 1) / huge_page * huge_page);
  }

 private:
  void* mapping_ = nullptr;
  std::size_t size_ = 0;
};
#endif

}  // namespace detail

/// For memory that nobody has touched yet: pages of the usual size. On virtual machines that give free memory back to
/// their host, the first touch of huge ones takes five times as long (2.5 s for 1.2 GB). Changes nothing elsewhere.
inline void advise_small_pages([[maybe_unused]] void* p, [[maybe_unused]] std::size_t bytes) {
#ifdef __linux__
  if (bytes >= detail::huge_page) ::madvise(p, bytes, MADV_NOHUGEPAGE);
#endif
}

/// `size` values of T, zeroed, on a 64-byte boundary (on one of 2 MiB, if there is as much), freed with the buffer.
template <class T>
class AlignedBuffer {
  static_assert(std::is_trivially_destructible_v<T>, "AlignedBuffer frees memory without running destructors.");

 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(Index size) : size_(size) {
    if (size == 0) return;
    if (size < 0 || size > static_cast<Index>(PTRDIFF_MAX / sizeof(T))) throw std::bad_array_new_length();
    const std::size_t bytes = static_cast<std::size_t>(size) * sizeof(T);
#ifdef __linux__
    if (std::is_arithmetic_v<T> && bytes >= detail::huge_page) {
      pages_ = detail::ZeroPages(bytes);
      data_ = static_cast<T*>(pages_.data());
      return;
    }
#endif
    owned_.reset(static_cast<T*>(::operator new (bytes, std::align_val_t{alignment})));
    data_ = owned_.get();
    for (Index i = 0; i < size; ++i) new (data_ + i) T{};
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept {
    swap(other);
  }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    AlignedBuffer moved(std::move(other));
    swap(moved);
    return *this;
  }

  [[nodiscard]] View<T> view() {
    return {data_, static_cast<std::size_t>(size_)};
  }
  [[nodiscard]] View<const T> view() const {
    return {data_, static_cast<std::size_t>(size_)};
  }
  [[nodiscard]] T* data() {
    return data_;
  }
  [[nodiscard]] const T* data() const {
    return data_;
  }
  [[nodiscard]] Index size() const {
    return size_;
  }

 private:
  void swap(AlignedBuffer& other) noexcept {
#ifdef __linux__
    std::swap(pages_, other.pages_);
#endif
    std::swap(owned_, other.owned_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  struct Free {
    void operator()(T* p) const { ::operator delete (p, std::align_val_t{alignment}); }
  };
#ifdef __linux__
  detail::ZeroPages pages_;
#endif
  std::unique_ptr<T[], Free> owned_;
  T* data_ = nullptr;
  Index size_ = 0;
};

}  // namespace tessera
