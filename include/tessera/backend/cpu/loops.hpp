// Loops over vectors of sixteen: along a row, over a whole buffer, and sums whose order depends on the length alone.
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include <tessera/backend/cpu/lanes.hpp>
#include <tessera/core/parallel.hpp>

namespace tessera::cpu_detail {

/// Stands for "all sixteen lanes" where a loop's body otherwise gets the number of lanes that are left.
struct AllLanes {};

template <class Arch>
[[gnu::always_inline]] inline Lanes<Arch> load(const float* p, AllLanes) {
  return Lanes<Arch>::load(p);
}
template <class Arch>
[[gnu::always_inline]] inline Lanes<Arch> load(const float* p, Index n) {
  return Lanes<Arch>::load_partial(p, n);
}
template <class Arch>
[[gnu::always_inline]] inline void store(const Lanes<Arch>& values, float* p, AllLanes) {
  values.store(p);
}
template <class Arch>
[[gnu::always_inline]] inline void store(const Lanes<Arch>& values, float* p, Index n) {
  values.store_partial(p, n);
}

/// body(i, AllLanes{}) for i = 0, 16, ...; the last one is body(i, size - i) where fewer than sixteen are left.
template <class Body>
[[gnu::always_inline]] inline void for_each_vector(Index size, Body&& body) {
  Index i = 0;
  for (; i + lanes <= size; i += lanes) body(i, AllLanes{});
  if (i < size) body(i, size - i);
}

/// The sum over a row: partial = add(partial, i, AllLanes{} or the lanes left) goes round four vectors of partial sums,
/// because one alone would wait for the latency of every addition. Lanes past the end must add zero.
template <class Arch, class Add>
[[gnu::always_inline]] inline float sum_vectors(Index size, Add&& add) {
  using V = Lanes<Arch>;
  V a = V::broadcast(0.0F);
  V b = a;
  V c = a;
  V d = a;
  Index i = 0;
  for (; i + 4 * lanes <= size; i += 4 * lanes) {
    a = add(a, i, AllLanes{});
    b = add(b, i + lanes, AllLanes{});
    c = add(c, i + 2 * lanes, AllLanes{});
    d = add(d, i + 3 * lanes, AllLanes{});
  }
  for (; i + lanes <= size; i += lanes) a = add(a, i, AllLanes{});
  if (i < size) b = add(b, i, size - i);
  return ((a + b) + (c + d)).sum();
}

/// Values of one task: enough to be worth a thread's attention, few enough to stay in its L1 cache.
inline constexpr Index values_per_task = 8192;

/// task(begin, end) over ranges of [0, size) that together are worth a thread; one unit is `unit_values` values.
template <class Task>
void parallel_ranges(Index size, Index unit_values, Task&& task) {
  const Index step = std::max<Index>(1, values_per_task / unit_values);
  parallel_for(ceil_div(size, step), [&](Index i) { task(i * step, std::min(size, (i + 1) * step)); });
}

/// body(i, AllLanes{} or the lanes left) over [0, size), on all threads.
template <class Body>
void parallel_vectors(Index size, Body&& body) {
  parallel_ranges(ceil_div(size, lanes), lanes, [&](Index begin, Index end) {
    for_each_vector(
        std::min(size, end * lanes) - begin * lanes, [&](Index i, auto n) __attribute__((always_inline)) {
          body(begin * lanes + i, n);
        });
  });
}

/// Sums add's terms (see sum_vectors) over [0, size): in float over blocks of 1024, whose sums are added in double, in
/// 64 slots of consecutive blocks, and then slot after slot.
template <class Arch, class Add>
double sum_blocks(Index size, Add&& add) {
  constexpr Index block = 1024;
  constexpr Index slots = 64;
  const Index blocks = ceil_div(size, block);
  std::array<double, slots> sums{};
  parallel_for(std::min(slots, blocks), [&](Index slot) {
    for (Index i = blocks * slot / std::min(slots, blocks); i < blocks * (slot + 1) / std::min(slots, blocks); ++i) {
      const Index first = i * block;
      sums[static_cast<std::size_t>(slot)] += static_cast<double>(sum_vectors<Arch>(
          std::min(block, size - first), [&](const Lanes<Arch>& partial, Index j, auto n)
                                             __attribute__((always_inline)) { return add(partial, first + j, n); }));
    }
  });
  double sum = 0;
  for (double value : sums) sum += value;
  return sum;
}

}  // namespace tessera::cpu_detail
