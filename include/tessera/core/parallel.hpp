// The one place where work is spread over threads. Threads belong to the caller: OpenMP when the program is compiled
// with it, serial when not, or whatever function the program sets. No result depends on which, or on how many.
#pragma once

#ifdef _OPENMP
#include <omp.h>
#endif

#include <atomic>
#include <exception>
#include <type_traits>
#include <utility>
#include <vector>

#include <tessera/core/types.hpp>

namespace tessera {

/// Runs task(context, i) for every i in [0, count), in any order, on any threads, and returns when all have ended.
/// Tasks call it no further. They need a megabyte of stack.
using ParallelFor = void (*)(Index count, void (*task)(void* context, Index i), void* context);

namespace detail {

inline std::atomic<ParallelFor> user_parallel_for{nullptr};
inline std::atomic<int> user_threads{1};
inline std::atomic<int> thread_count{0};
inline thread_local bool in_user_task = false;

}  // namespace detail

/// Replaces OpenMP by the program's own pool of so many threads; nullptr returns to the default.
inline void set_parallel_for(ParallelFor function, int threads = 1) {
  detail::user_threads = threads;
  detail::user_parallel_for = function;
}

/// How many threads OpenMP may use; 0 (the start value) leaves it to OpenMP.
inline void set_thread_count(int count) {
  detail::thread_count = count;
}

/// The number of threads that parallel_for would use (1 without OpenMP and without a pool of the program's own).
inline int thread_count() {
  if (detail::user_parallel_for.load() != nullptr) return detail::user_threads;
#ifdef _OPENMP
  const int count = detail::thread_count;
  return count > 0 ? count : omp_get_max_threads();
#else
  return 1;
#endif
}

/// Calls task(i) once for every i in [0, count). The tasks must not depend on one another and must not throw.
template <class Task>
void parallel_for(Index count, Task&& task) {
  if (count <= 1) {
    if (count == 1) task(Index{0});
    return;
  }
  if (const ParallelFor user = detail::user_parallel_for; user != nullptr && !detail::in_user_task) {
    using Stored = std::remove_reference_t<Task>;
    user(
        count,
        [](void* context, Index i) {
          const bool outer = std::exchange(detail::in_user_task, true);
          (*static_cast<Stored*>(context))(i);
          detail::in_user_task = outer;
        },
        const_cast<std::remove_const_t<Stored>*>(&task));
    return;
  }
#ifdef _OPENMP
  const int threads = thread_count();
  if (threads > 1 && !omp_in_parallel() && !detail::in_user_task) {
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (Index i = 0; i < count; ++i) task(i);
    return;
  }
#endif
  for (Index i = 0; i < count; ++i) task(i);
}

/// As parallel_for, for tasks that may throw: all of them run, then the failure of the lowest i is thrown.
template <class Task>
void parallel_for_or_throw(Index count, Task&& task) {
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(count));
  parallel_for(count, [&](Index i) {
    try {
      task(i);
    } catch (...) {
      failures[static_cast<std::size_t>(i)] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace tessera
