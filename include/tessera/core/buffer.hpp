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

/// Asks for pages of 2 MiB where they exist: a matrix product walks over more small pages than a processor remembers,
/// which cost it up to 10 % of its speed. Changes nothing where the answer is no.
inline void advise_huge_pages([[maybe_unused]] void* p, [[maybe_unused]] std::size_t bytes) {
#ifdef __linux__
  madvise(p, bytes, MADV_HUGEPAGE);
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
    const bool huge = bytes >= huge_page;
    const std::align_val_t boundary{huge ? huge_page : std::size_t{alignment}};
    data_ = {static_cast<T*>(::operator new(bytes, boundary)), Free{boundary}};
    if (huge) advise_huge_pages(data_.get(), bytes);
    for (Index i = 0; i < size; ++i) new (data_.get() + i) T{};
  }

  AlignedBuffer(AlignedBuffer&& from) noexcept : data_(std::move(from.data_)), size_(std::exchange(from.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& from) noexcept {
    data_ = std::move(from.data_);
    size_ = std::exchange(from.size_, 0);
    return *this;
  }

  [[nodiscard]] View<T> view() { return {data_.get(), static_cast<std::size_t>(size_)}; }
  [[nodiscard]] View<const T> view() const { return {data_.get(), static_cast<std::size_t>(size_)}; }
  [[nodiscard]] T* data() { return data_.get(); }
  [[nodiscard]] const T* data() const { return data_.get(); }
  [[nodiscard]] Index size() const { return size_; }

 private:
  static constexpr std::size_t huge_page = std::size_t{2} << 20;

  struct Free {
    std::align_val_t boundary{alignment};
    void operator()(T* p) const { ::operator delete(p, boundary); }
  };
  std::unique_ptr<T[], Free> data_;
  Index size_ = 0;
};

}  // namespace tessera
