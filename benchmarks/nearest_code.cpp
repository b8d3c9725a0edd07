// How many codes are compared with queries in a second, and which share of the machine's peak that is.
//   nearest_code [threads]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <vector>

#include <tessera/backend/cpu/nearest_code.hpp>
#include <tessera/core/buffer.hpp>

#include "cases/nearest_code.hpp"
#include "fma_peak.hpp"

namespace {

using namespace tessera;
using Cpu = cpu_detail::NearestCodeOps<benchmarks::Arch>;
using Floats = AlignedBuffer<float>;

Floats normal_values(Index size, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  Floats values(size);
  for (float& value : values.view()) value = normal(generator);
  return values;
}

double squared_distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += difference * difference;
  }
  return sum;
}

/// No code may be nearer than the found one by more than rounding; a few rows are enough.
template <Index K, Index C>
void check(Shape<K, C>, Index rows, View<const float> z, View<const float> codes, View<const Token> ids) {
  for (Index row = 0; row < rows; row += 1 + rows / 10) {
    const auto distance = [&](Index k) { return squared_distance(z.subspan(row * C, C), codes.subspan(k * C, C)); };
    double nearest = distance(0);
    for (Index k = 1; k < K; ++k) nearest = std::min(nearest, distance(k));
    if (distance(ids[row]) <= nearest + 1e-5 * C) continue;
    std::printf("K %td, C %td: wrong id at row %td\n", K, C, row);
    std::exit(1);
  }
}

template <Index K, Index C>
void run(Shape<K, C> size, Index rows, int threads) {
  const Floats z = normal_values(rows * C, 1);
  const Floats codes = normal_values(K * C, 2);
  Floats packed(Cpu::packed_codes_size(size));
  Floats margins(rows);
  AlignedBuffer<Token> ids(rows);
  Cpu::pack_codes(size, codes.view(), packed.view());
  for (const View<float> wanted : {View<float>{}, margins.view()}) {
    const auto nearest = [&] { Cpu::nearest_code(size, rows, z.view(), packed.view(), ids.view(), wanted); };
    nearest();
    check(size, rows, z.view(), codes.view(), ids.view());
    const double flops = 2.0 * static_cast<double>(rows * K * C);
    const benchmarks::Speed speed = benchmarks::measure(threads, flops, nearest);
    std::printf("%6td %6td %6td  %-7s %6.2f  %7.1f  %5.1f %%\n", K, C, rows, wanted.empty() ? "" : "margins",
                speed.flops_per_second / (2.0 * C) * 1e-9, speed.flops_per_second * 1e-9, speed.share_of_peak * 100.0);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  set_thread_count(threads);
  std::printf("%.*s, %d threads; share: median of 25 turns of search and peak; the rest: the best turn\n",
              static_cast<int>(benchmarks::instruction_set().size()), benchmarks::instruction_set().data(), threads);
  std::printf(
      "codes, values, queries, billions of codes x queries a second, GFLOP/s, share of the peak of %.1f GFLOP/s\n",
      benchmarks::fma_peak(threads) * 1e-9);
  cases::nearest_code_benchmark([=](auto size, Index rows) { run(size, rows, threads); });
}
