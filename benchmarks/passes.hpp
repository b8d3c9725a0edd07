// What the benchmarks of whole passes share: images, a check of the results, and a line of output.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <tessera/core/random.hpp>
#include <vector>

#include "fma_peak.hpp"

namespace tessera::benchmarks {

inline std::vector<float> random_images(Index values) {
  std::vector<float> images(static_cast<std::size_t>(values));
  Random random(1);
  for (float& x : images) x = static_cast<float>(random.uniform());
  return images;
}

inline void check_finite(const std::string& name, View<const float> values) {
  for (const float x : values) {
    if (x - x == 0.0F) continue;
    std::printf("%s: a result is not finite\n", name.c_str());
    std::exit(1);
  }
}

inline void print_pass_header() {
  std::printf("%s; share of the fused multiply-add peak measured beside each line; best time, median share\n",
              std::string(instruction_set()).c_str());
}

/// Times f(), a pass of `images` images.
template <class F>
Speed time_pass(const std::string& name, int threads, Index images, double flops, F&& f, int repeats = 11) {
  const Speed speed = measure(threads, flops, f, repeats);
  const double seconds = flops / speed.flops_per_second;
  std::printf("%-40s %d  %8.2f ms  %7.1f GFLOP/s  %5.1f %%  %.2f images/s\n", name.c_str(), threads, seconds * 1e3,
              speed.flops_per_second * 1e-9, speed.share_of_peak * 100.0, static_cast<double>(images) / seconds);
  std::fflush(stdout);
  return speed;
}

}  // namespace tessera::benchmarks
