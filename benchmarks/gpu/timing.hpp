// How long work takes: warmed up, then the median of repeated measurements.
#pragma once

#include <algorithm>
#include <chrono>
#include <vector>

#include <tessera/backend/thrust/cuda_stream.hpp>

namespace tessera::benchmarks {

inline constexpr std::size_t repeats = 15;
inline constexpr double longest = 3.0;  // seconds of them together, after which five are enough

using Clock = std::chrono::steady_clock;
inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Calls f() for a tenth of a second, in which what is made once is made and the card's clock rises. Returns how many
/// calls take two milliseconds, beside which an event's own time is nothing.
template <class F>
int warm_up(F&& f) {
  const auto finish = [] { thrust_detail::check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize"); };
  f();
  f();
  finish();
  const auto start = Clock::now();
  double seconds = 0;
  int calls = 0;
  while (seconds < 0.1) {
    f();
    finish();
    ++calls;
    seconds = seconds_since(start);
  }
  return std::clamp(static_cast<int>(2e-3 * calls / seconds), 1, 1000);
}

/// Of one(), which measures once.
template <class One>
double median_seconds(One&& one) {
  std::vector<double> seconds;
  const auto start = Clock::now();
  while (seconds.size() < repeats && (seconds.size() < 5 || seconds_since(start) < longest)) seconds.push_back(one());
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::ranges::nth_element(seconds, middle);
  return *middle;
}

/// Seconds of f(), which starts operations in the calling thread's stream, on the GPU.
template <class F>
double gpu_seconds(F&& f) {
  using thrust_detail::check_cuda;
  const int calls = warm_up(f);
  cudaEvent_t begin = nullptr, end = nullptr;
  check_cuda(cudaEventCreate(&begin), "cudaEventCreate");
  check_cuda(cudaEventCreate(&end), "cudaEventCreate");
  const double seconds = median_seconds([&] {
    check_cuda(cudaEventRecord(begin, thrust_detail::cuda_stream), "cudaEventRecord");
    for (int i = 0; i < calls; ++i) f();
    check_cuda(cudaEventRecord(end, thrust_detail::cuda_stream), "cudaEventRecord");
    check_cuda(cudaEventSynchronize(end), "cudaEventSynchronize");
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, begin, end), "cudaEventElapsedTime");
    return static_cast<double>(milliseconds) * 1e-3 / calls;
  });
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return seconds;
}

/// Seconds of f(), which returns when it is done, on the wall.
template <class F>
double wall_seconds(F&& f) {
  warm_up(f);
  return median_seconds([&] {
    const auto start = Clock::now();
    f();
    return seconds_since(start);
  });
}

}  // namespace tessera::benchmarks
