// Aligned memory on the host.
#pragma once

#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#include <tessera/core/types.hpp>

namespace tessera {

/// `size` values of T, zeroed, on a 64-byte boundary, freed with the buffer.
template <class T>
class AlignedBuffer {
  static_assert(std::is_trivially_destructible_v<T>, "AlignedBuffer frees memory without running destructors.");

 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(Index size) : size_(size) {
    if (size == 0) return;
    data_.reset(
        static_cast<T*>(::operator new (static_cast<std::size_t>(size) * sizeof(T), std::align_val_t{alignment})));
    for (Index i = 0; i < size; ++i) new (data_.get() + i) T{};
  }

  [[nodiscard]] View<T> view() { return {data_.get(), static_cast<std::size_t>(size_)}; }
  [[nodiscard]] View<const T> view() const { return {data_.get(), static_cast<std::size_t>(size_)}; }
  [[nodiscard]] T* data() { return data_.get(); }
  [[nodiscard]] const T* data() const { return data_.get(); }
  [[nodiscard]] Index size() const { return size_; }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete (p, std::align_val_t{alignment}); }
  };
  std::unique_ptr<T[], Free> data_;
  Index size_ = 0;
};

}  // namespace tessera
