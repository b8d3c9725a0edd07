// A program's own pool in place of OpenMP.
#include <doctest/doctest.h>

#include <atomic>

#include <tessera/core/parallel.hpp>

using namespace tessera;

namespace {

std::atomic<int> pool_calls;

void pool(Index count, void (*task)(void*, Index), void* context) {
  ++pool_calls;
  for (Index i = count; i-- > 0;) task(context, i);
}

}  // namespace

TEST_CASE("parallel_for: the program's pool runs every task once, and tasks inside tasks do not reach it") {
  set_parallel_for(pool, 5);
  CHECK(thread_count() == 5);
  std::vector<std::atomic<int>> runs(12);
  parallel_for(3, [&](Index i) { parallel_for(4, [&](Index j) { ++runs[static_cast<std::size_t>(i * 4 + j)]; }); });
  set_parallel_for(nullptr);
  CHECK(pool_calls == 1);
  for (const std::atomic<int>& count : runs) CHECK(count == 1);
}
