// A GPU's threads on a processor: every thread of a block has a stack of its own, which makecontext sets up, and setjmp
// and longjmp switch to where threads wait for one another (swapcontext would call the system each time). Slow, but
// kernels run as they are written, and what they must not rely on is made to fail: shared memory starts as NaN,
// asynchronous copies arrive as late or as soon as can be, threads run in either order, and what a GPU refuses is
// refused.
#pragma once

#include <setjmp.h>
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

// A CUDA Toolkit's Thrust includes the toolkit's own types where it finds them; Debian's never does.
#if __has_include(<cuda_runtime_api.h>)
#include <cuda_runtime_api.h>
#undef __global__
#undef __device__
#undef __host__
#undef __forceinline__
#undef __launch_bounds__
#else
struct alignas(16) uint4 {
  std::uint32_t x, y, z, w;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

namespace tessera::testing::emulated {

inline constexpr int warp_size = 32;
/// What a GPU leaves open. false: a block's threads start from the first, and asynchronous copies arrive at their wait,
/// as late as can be; true: from the last, and at once.
inline bool other_schedule = false;

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
  ucontext_t start{};
  jmp_buf stopped;  // where it waits, once it has started
  bool started = false;
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
    running() = nullptr;
  }

  void wait(Barrier& barrier) {
    const int generation = barrier.generation;
    if (++barrier.arrived == barrier.expected) {
      barrier.arrived = 0;
      ++barrier.generation;
      moved_ = true;
    }
    while (generation == barrier.generation) {
      if (_setjmp(thread_->stopped) == 0) _longjmp(scheduler_, 1);
    }
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
  /// Whether any of these threads got past where it waited, or to its end. Threads count from the other end in
  /// the other schedule.
  bool run_warp(int first) {
    moved_ = false;
    for (int i = first; i < std::min(first + warp_size, size_); ++i) {
      thread_ = &threads_[static_cast<std::size_t>(other_schedule ? size_ - 1 - i : i)];
      if (thread_->done) continue;
      go_on(*thread_);
      if (thread_->done) --left_, moved_ = true;
    }
    return moved_;
  }

  /// Until it waits or ends.
  void go_on(Thread& thread) {
    if (_setjmp(scheduler_) != 0) return;
    if (thread.started) _longjmp(thread.stopped, 1);
    thread.started = true;
    setcontext(&thread.start);
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
    getcontext(&thread.start);
    thread.start.uc_stack.ss_sp = stack(i);
    thread.start.uc_stack.ss_size = stack_bytes;
    makecontext(&thread.start, &Block::enter, 0);
  }
  static void enter() {
    Block& block = current();
    Thread& mine = *block.thread_;
    block.kernel_();
    mine.done = true;
    _longjmp(block.scheduler_, 1);
  }
  /// For thread i of this and later blocks.
  static std::byte* stack(int i) {
    thread_local std::vector<std::unique_ptr<std::byte[]>> stacks;
    while (stacks.size() <= static_cast<std::size_t>(i)) {
      stacks.push_back(std::make_unique_for_overwrite<std::byte[]>(stack_bytes));
    }
    return stacks[static_cast<std::size_t>(i)].get();
  }

  dim3 index_, grid_;
  int size_;
  const std::function<void()>& kernel_;
  std::vector<Warp> warps_;
  std::vector<Line> shared_;  // with one before and at least one after
  char* shared_end_ = nullptr;
  std::vector<Thread> threads_;
  Barrier barrier_;
  jmp_buf scheduler_;
  Thread* thread_ = nullptr;
  int left_ = 0;  // threads that are not done
  bool moved_ = false;
};

/// What sm_80 and newer take.
inline void check_launch(dim3 grid, int threads, std::size_t shared_bytes) {
  const auto in = [](unsigned n, unsigned most) { return n >= 1 && n <= most; };
  if (!in(grid.x, 0x7fffffff) || !in(grid.y, 65535) || !in(grid.z, 65535)) fail("a grid that no GPU takes");
  if (!in(static_cast<unsigned>(threads), 1024)) fail("more threads than a block may have, or none");
  if (shared_bytes > std::size_t{99} << 10) fail("more shared memory than a block may have on every GPU");
}

/// Every block of a grid, on the host's threads.
inline void run_grid(dim3 grid, int threads, std::size_t shared_bytes, const std::function<void()>& kernel) {
  check_launch(grid, threads, shared_bytes);
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
