// Thrust's OpenMP device system: functors on this machine's own threads.
#pragma once

#ifndef _OPENMP
#error "Thrust's OpenMP system needs OpenMP: compile with -fopenmp, or link the target tessera::thrust_host."
#endif

#include <omp.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/system/omp/execution_policy.h>

#include <vector>

#include <tessera/backend/host_memory.hpp>
#include <tessera/core/parallel.hpp>

namespace tessera::thrust_detail {

/// The threads are OpenMP's always: Thrust knows no others. A pool given to set_parallel_for runs none of this work; it
/// says how many threads there are, and inside its tasks there is one.
template <class S>
struct OmpSystem {
  using Scalar = S;
  using Memory = HostMemory<S>;

  template <class F>
  static void for_each(Index count, const F& f) {
    const Threads threads;
    ::thrust::for_each_n(::thrust::omp::par, ::thrust::counting_iterator<Index>(0), count, f);
  }

  /// Values on the host.
  static std::vector<double> read(View<const double> there) { return {there.begin(), there.end()}; }

 private:
  /// Thrust asks OpenMP how many threads to use; set_thread_count holds here too.
  class Threads {
   public:
    Threads() { omp_set_num_threads(detail::in_user_task ? 1 : thread_count()); }
    ~Threads() { omp_set_num_threads(before_); }
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

   private:
    int before_ = omp_get_max_threads();
  };
};

}  // namespace tessera::thrust_detail
