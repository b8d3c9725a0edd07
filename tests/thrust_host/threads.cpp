#include <doctest/doctest.h>

#include <omp.h>

#include <algorithm>
#include <vector>

#include <tessera/backend/thrust/thrust_host.hpp>

using namespace tessera;

namespace {

struct CountThreads {
  int* threads;
  void operator()(Index i) const { threads[i] = omp_get_num_threads(); }
};

/// The largest number of threads among which a kernel's calls were shared.
int threads_of_kernel() {
  std::vector<int> threads(1000);
  thrust_detail::launch<thrust_detail::OmpSystem<float>>(1000, CountThreads{threads.data()});
  return *std::ranges::max_element(threads);
}

void one_after_the_other(Index count, void (*task)(void*, Index), void* context) {
  for (Index i = 0; i < count; ++i) task(context, i);
}

}  // namespace

TEST_CASE("thrust_host: kernels use as many threads as set_thread_count says") {
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    CHECK(threads_of_kernel() == threads);
  }
  set_thread_count(0);
}

TEST_CASE("thrust_host: kernels run on one thread inside a task of the program's own pool") {
  std::vector<int> threads(2);
  set_parallel_for(one_after_the_other, 3);
  CHECK(threads_of_kernel() == 3);
  parallel_for(2, [&](Index i) { threads[static_cast<std::size_t>(i)] = threads_of_kernel(); });
  set_parallel_for(nullptr);
  CHECK(threads == std::vector<int>{1, 1});
}
