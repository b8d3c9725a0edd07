// The machine's own peak of fused multiply-adds, to compare kernels with. It changes with heat, neighbours and the
// number of busy cores, so it is measured next to each kernel, in turns: the share of the peak is the median over pairs
// of neighbouring measurements, which other work on the machine slows alike.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string_view>
#include <tessera/backend/cpu/micro_kernel.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/core/xsimd.hpp>
#include <vector>

namespace tessera::benchmarks {

using Arch = xsimd::default_arch;

inline std::string_view instruction_set() {
  return Arch::name();
}

/// Seconds of f() on `threads` threads. One thread is timed by the processor time that it got, so that programs that
/// share its core do not count; more are timed by the clock on the wall, so that idle ones do.
template <class F>
double seconds(int threads, F&& f) {
  if (threads == 1) {
    const std::clock_t start = std::clock();
    f();
    return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  }
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Chains of fused multiply-adds that wait for nothing but themselves: 12 are more than 2 units of latency 4 need, and
/// fit the registers of every instruction set.
inline constexpr int peak_chains = 12;

/// Runs the chains `steps` times on this thread; returns a value that depends on all of them.
inline float run_peak_chains(Index steps) {
  using Batch = xsimd::batch<float, Arch>;
  const volatile float factor = 0.999F;  // volatile: unknown to the compiler
  const Batch a(factor);
  const Batch b(1.0F - factor);
  Batch sum[peak_chains];
  cpu_detail::unroll<peak_chains>([&](auto i)
                                      __attribute__((always_inline)) { sum[i] = Batch(static_cast<float>(i)); });
  for (Index step = 0; step < steps; ++step) {
    cpu_detail::unroll<peak_chains>([&](auto i) __attribute__((always_inline)) { sum[i] = fused(sum[i], a, b); });
  }
  float total = 0.0F;
  cpu_detail::unroll<peak_chains>([&](auto i) __attribute__((always_inline)) { total += sum[i].get(0); });
  return total;
}

/// Floating-point operations a second of `threads` threads together, over a few milliseconds.
inline double fma_peak(int threads, Index steps = 300'000) {
  [[maybe_unused]] static volatile float sink = 0.0F;
  const double duration = seconds(threads, [&] {
    set_thread_count(threads);
    parallel_for(threads, [=](Index) { sink = run_peak_chains(steps); });
  });
  return 2.0 * peak_chains * static_cast<double>(xsimd::batch<float, Arch>::size * steps * threads) / duration;
}

struct Speed {
  double flops_per_second;  // the fastest repeat's
  double share_of_peak;     // the median repeat's
};

/// Times f(), which does `flops` operations, and the peak in turns. Each turn runs f for some 4 ms.
template <class F>
Speed measure(int threads, double flops, F&& f, int repeats = 25) {
  set_thread_count(threads);
  f();
  const int calls = std::max(1, static_cast<int>(0.004 / seconds(threads, f)));
  std::vector<double> shares;
  double best = 0.0;
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const double peak = fma_peak(threads);
    const double duration = seconds(threads, [&] {
      for (int call = 0; call < calls; ++call) f();
    });
    const double speed = flops * calls / duration;
    best = std::max(best, speed);
    shares.push_back(speed / peak);
  }
  return {best, median(shares)};
}

}  // namespace tessera::benchmarks
