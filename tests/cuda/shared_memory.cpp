// main of the operations' tests on a GPU, and their operator new: see shared_memory.hpp. Not for nvcc, which would make
// device code of it.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <mutex>
#include <new>

#include <cuda_runtime_api.h>

#include <tessera/core/types.hpp>

namespace {

[[noreturn]] void stop(const char* what) {
  std::fprintf(stderr, "shared memory: %s\n", what);
  std::abort();
}

/// Blocks of powers of two out of one piece of managed memory; freed ones wait in a list for their size. Behind each is
/// a guard, checked when it is freed: compute-sanitizer sees the piece only as a whole.
class SharedArena {
 public:
  /// Called once, in main: CUDA is not ready before.
  void open() {
    constexpr std::size_t size = std::size_t{4} << 30;  // pages that nobody touches cost nothing
    int device = 0, together = 0;                       // whether host and kernels may use it at the same time
    if (cudaGetDevice(&device) != cudaSuccess ||
        cudaDeviceGetAttribute(&together, cudaDevAttrConcurrentManagedAccess, device) != cudaSuccess || together == 0) {
      stop("this GPU, or its driver, cannot share memory with the host");
    }
    void* memory = nullptr;
    if (cudaMallocManaged(&memory, size) != cudaSuccess) stop("there is too little");
    const std::lock_guard lock(mutex_);
    begin_ = next_ = static_cast<char*>(memory);
    end_ = begin_ + size;
  }
  [[nodiscard]] bool is_open() const { return begin_ != nullptr; }
  [[nodiscard]] bool holds(const void* p) const { return p >= begin_ && p < end_; }

  void* allocate(std::size_t bytes) {
    const auto log = static_cast<std::size_t>(std::bit_width(sizeof(Block) + bytes + guard_bytes - 1));
    const std::lock_guard lock(mutex_);
    Block* block = free_[log];
    if (block != nullptr) {
      free_[log] = block->next;
    } else {
      if (static_cast<std::size_t>(end_ - next_) < std::size_t{1} << log) throw std::bad_alloc();
      block = new (next_) Block{log, 0, nullptr};
      next_ += std::size_t{1} << log;
    }
    block->bytes = bytes;
    std::memset(guard(block), guard_value, guard_bytes);
    return block + 1;
  }
  void free(void* p) {
    Block* block = static_cast<Block*>(p) - 1;
    const char* behind = guard(block);
    if (std::any_of(behind, behind + guard_bytes, [](char byte) { return byte != guard_value; })) {
      stop("somebody wrote behind what they had asked for");
    }
    const std::lock_guard lock(mutex_);
    block->next = free_[block->log];
    free_[block->log] = block;
  }

 private:
  struct alignas(tessera::alignment) Block {
    std::size_t log, bytes;
    Block* next;
  };
  static constexpr std::size_t guard_bytes = 256;
  static constexpr char guard_value = 0x5a;

  static char* guard(Block* block) { return reinterpret_cast<char*>(block + 1) + block->bytes; }

  char* begin_ = nullptr;
  char* next_ = nullptr;
  char* end_ = nullptr;
  std::array<Block*, 64> free_{};
  std::mutex mutex_;
};

SharedArena& arena() {
  alignas(SharedArena) static char place[sizeof(SharedArena)];
  static SharedArena* const arena = new (place) SharedArena;  // never destroyed: others free their memory after it
  return *arena;
}

}  // namespace

void* operator new(std::size_t bytes) {
  if (arena().is_open()) return arena().allocate(bytes);
  if (void* p = std::malloc(bytes == 0 ? 1 : bytes); p != nullptr) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  if (arena().holds(p)) {
    arena().free(p);
  } else {
    std::free(p);
  }
}
void operator delete(void* p, std::size_t /*bytes*/) noexcept {
  operator delete(p);
}

int main(int count, char** arguments) {
  arena().open();
  const int result = doctest::Context(count, arguments).run();
  std::cout.flush();
  std::_Exit(result);  // static objects would free what CUDA has taken back by then
}
