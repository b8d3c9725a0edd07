// A GPU's threads on a processor: every thread of a block is a context of its own (ucontext), switched where threads
// wait for one another. Slow, but kernels run as they are written, and what they must not rely on is made to fail:
// shared memory starts as NaN, asynchronous copies arrive at the wait and no sooner, and threads run in either order.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct alignas(16) uint4 {
  std::uint32_t x, y, z, w;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};

namespace tessera::testing::emulated {

inline constexpr int warp_size = 32;
inline bool descending = false;  // which of a block's threads runs first

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "emulated GPU: %s\n", what);
  std::abort();
}

/// Threads that wait until all of them are here.
struct Barrier {
  int expected = 0, arrived = 0, generation = 0;
};

/// Where the lanes of a warp show each other values: two places in turn, so that one exchange needs one barrier.
struct Warp {
  Barrier barrier;
  alignas(16) std::byte shown[2][warp_size][64];
};

struct Copy {
  void* to;
  const void* from;  // null: zeros
};

struct Thread {
  ucontext_t context{};
  std::unique_ptr<std::byte[]> stack;
  dim3 index;
  Warp* warp = nullptr;
  int lane = 0;
  int exchanges = 0;
  bool done = false;
  std::vector<std::vector<Copy>> copies{1};  // groups in their order; the last one is still open
};

/// One block at a time runs on each of the host's threads.
class Block {
 public:
  static Block& current() { return *running(); }

  Block(dim3 index, dim3 grid, int threads, std::size_t shared_bytes, const std::function<void()>& kernel)
      : index_(index), grid_(grid), size_(threads), kernel_(kernel), warps_((threads + warp_size - 1) / warp_size) {
    shared_.resize(shared_bytes / sizeof(Line) + 3);
    std::memset(shared_.data(), 0xff, shared_.size() * sizeof(Line));  // NaN in every format
    shared_end_ = shared() + shared_bytes;
    barrier_.expected = threads;
    threads_.resize(static_cast<std::size_t>(threads));
    for (int i = 0; i < threads; ++i) start(i);
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  /// Runs all threads to their ends, each warp as far as it gets without the others.
  void run() {
    Block* const outer = running();
    running() = this;
    for (left_ = size_; left_ > 0;) {
      bool moved = false;
      for (int first = 0; first < size_; first += warp_size) {
        while (run_warp(first)) moved = true;
      }
      if (!moved) fail("a block's threads wait for one another at different barriers");
    }
    const auto untouched = [](const char* begin, const char* end) {
      return std::all_of(begin, end, [](char byte) { return byte == '\xff'; });
    };
    if (!untouched(shared_.front().bytes, shared()) || !untouched(shared_end_, shared_.back().bytes + sizeof(Line))) {
      fail("a kernel wrote outside its shared memory");
    }
    running() = outer;
  }

  void wait(Barrier& barrier) {
    const int generation = barrier.generation;
    if (++barrier.arrived == barrier.expected) {
      barrier.arrived = 0;
      ++barrier.generation;
      moved_ = true;
    }
    while (generation == barrier.generation) swapcontext(&thread_->context, &scheduler_);
  }

  /// What lane `from(lane)` of the warp shows.
  template <class T, class Read>
  auto exchange(const T& value, Read&& read) {
    static_assert(sizeof(T) <= sizeof(Warp::shown[0][0]) && std::is_trivially_copyable_v<T>);
    Thread& mine = *thread_;
    auto& shown = mine.warp->shown[mine.exchanges++ % 2];
    std::memcpy(shown[mine.lane], &value, sizeof value);
    wait(mine.warp->barrier);
    return read([&](int lane) {
      T theirs;
      std::memcpy(&theirs, shown[lane], sizeof theirs);
      return theirs;
    });
  }

  [[nodiscard]] Thread& thread() { return *thread_; }
  [[nodiscard]] Barrier& barrier() { return barrier_; }
  [[nodiscard]] dim3 index() const { return index_; }
  [[nodiscard]] dim3 grid() const { return grid_; }
  [[nodiscard]] unsigned size() const { return static_cast<unsigned>(size_); }
  [[nodiscard]] char* shared() { return reinterpret_cast<char*>(shared_.data() + 1); }  // g++: of more than a Line

 private:
  /// Whether any of these threads got past where it waited, or to its end. Threads count from the other end where they
  /// are to run in descending order.
  bool run_warp(int first) {
    moved_ = false;
    for (int i = first; i < std::min(first + warp_size, size_); ++i) {
      thread_ = &threads_[static_cast<std::size_t>(descending ? size_ - 1 - i : i)];
      if (thread_->done) continue;
      swapcontext(&scheduler_, &thread_->context);
      if (thread_->done) --left_, moved_ = true;
    }
    return moved_;
  }

  struct alignas(128) Line {
    char bytes[128];
  };
  static constexpr std::size_t stack_bytes = 64 << 10;

  static Block*& running() {
    thread_local Block* block = nullptr;
    return block;
  }

  void start(int i) {
    Thread& thread = threads_[static_cast<std::size_t>(i)];
    thread.index.x = static_cast<unsigned>(i);
    thread.index.y = thread.index.z = 0;
    thread.warp = &warps_[static_cast<std::size_t>(i / warp_size)];
    thread.lane = i % warp_size;
    ++thread.warp->barrier.expected;
    thread.stack = std::make_unique_for_overwrite<std::byte[]>(stack_bytes);
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.get();
    thread.context.uc_stack.ss_size = stack_bytes;
    thread.context.uc_link = &scheduler_;
    makecontext(&thread.context, &Block::enter, 0);
  }
  static void enter() {
    Block& block = current();
    Thread& mine = *block.thread_;
    block.kernel_();
    mine.done = true;
  }

  dim3 index_, grid_;
  int size_;
  const std::function<void()>& kernel_;
  std::vector<Warp> warps_;
  std::vector<Line> shared_;  // with one before and at least one after
  char* shared_end_ = nullptr;
  std::vector<Thread> threads_;
  Barrier barrier_;
  ucontext_t scheduler_{};
  Thread* thread_ = nullptr;
  int left_ = 0;  // threads that are not done
  bool moved_ = false;
};

/// Every block of a grid, on the host's threads.
inline void run_grid(dim3 grid, int threads, std::size_t shared_bytes, const std::function<void()>& kernel) {
  const auto blocks = static_cast<std::ptrdiff_t>(grid.x) * grid.y * grid.z;
#pragma omp parallel for schedule(dynamic)
  for (std::ptrdiff_t i = 0; i < blocks; ++i) {
    const auto at = static_cast<unsigned>(i);
    Block({at % grid.x, at / grid.x % grid.y, at / grid.x / grid.y}, grid, threads, shared_bytes, kernel).run();
  }
}

}  // namespace tessera::testing::emulated

// CUDA's names.
#define threadIdx (::tessera::testing::emulated::Block::current().thread().index)
#define blockIdx (::tessera::testing::emulated::Block::current().index())
#define gridDim (::tessera::testing::emulated::Block::current().grid())
#define blockDim (dim3{::tessera::testing::emulated::Block::current().size()})

inline void __syncthreads() {
  auto& block = ::tessera::testing::emulated::Block::current();
  block.wait(block.barrier());
}
inline void __syncwarp(unsigned /*mask*/ = ~0U) {
  auto& block = ::tessera::testing::emulated::Block::current();
  block.wait(block.thread().warp->barrier);
}
template <class T>
T __shfl_sync(unsigned /*mask*/, T value, int lane) {
  return ::tessera::testing::emulated::Block::current().exchange(value, [&](auto&& of) { return of(lane & 31); });
}
template <class T>
T __shfl_xor_sync(unsigned /*mask*/, T value, int lanes) {
  const int mine = ::tessera::testing::emulated::Block::current().thread().lane;
  return __shfl_sync(~0U, value, mine ^ lanes);
}
inline unsigned __ballot_sync(unsigned /*mask*/, bool holds) {
  return ::tessera::testing::emulated::Block::current().exchange(holds, [](auto&& of) {
    unsigned lanes = 0;
    for (int lane = 0; lane < 32; ++lane) lanes |= static_cast<unsigned>(of(lane)) << lane;
    return lanes;
  });
}
/// The number of the lowest bit that is set, from 1; 0 if none is.
inline int __ffs(int x) {
  return __builtin_ffs(x);
}
inline int __popc(unsigned x) {
  return __builtin_popcount(x);
}
