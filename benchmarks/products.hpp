// What the benchmarks of products share: inputs, a check of the results, and a line of output.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <tessera/core/buffer.hpp>

#include "fma_peak.hpp"

namespace tessera::benchmarks {

using Floats = AlignedBuffer<float>;

inline Floats random_floats(Index size, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  Floats values(size);
  for (float& value : values.view()) value = uniform(generator);
  return values;
}

/// Compares 100 of the values found(i, j) with expected(i, j), for i < rows, j < columns, before anything is timed.
template <class Found, class Expected>
void check(const std::string& name, Index rows, Index columns, Index depth, Found&& found, Expected&& expected) {
  for (Index n = 0; n < 100; ++n) {
    const Index i = n * 7919 % rows;
    const Index j = n * 104729 % columns;
    if (std::abs(found(i, j) - expected(i, j)) <= 1e-5 * std::sqrt(static_cast<double>(depth))) continue;
    std::printf("%s: wrong value at row %td, column %td\n", name.c_str(), i, j);
    std::exit(1);
  }
}

/// Sum over k < depth of left(k) * right(k), in double.
template <class Left, class Right>
double dot(Index depth, Left&& left, Right&& right) {
  double sum = 0.0;
  for (Index k = 0; k < depth; ++k) sum += static_cast<double>(left(k)) * static_cast<double>(right(k));
  return sum;
}

/// what: a line's name.
inline void print_header(const char* what, int threads) {
  std::printf("%.*s; share: median of 25 turns of product and peak; GFLOP/s: the best turn\n",
              static_cast<int>(instruction_set().size()), instruction_set().data());
  std::printf("%-44s threads, speed, share of the peak of %.1f GFLOP/s\n", what, fma_peak(threads) * 1e-9);
}

template <class F>
void time(const std::string& name, int threads, double flops, F&& f) {
  const Speed speed = measure(threads, flops, f);
  std::printf("%-44s %d  %7.1f GFLOP/s  %5.1f %%\n", name.c_str(), threads, speed.flops_per_second * 1e-9,
              speed.share_of_peak * 100.0);
  std::fflush(stdout);
}

}  // namespace tessera::benchmarks
