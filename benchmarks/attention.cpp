// How near attention and its gradients come to the machine's peak. The softmax counts as no operations: 2 d per score
// and product, of which forward has 2 and backward 5.
//   attention [threads [part of a line's name]]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <tessera/backend/cpu/attention.hpp>
#include <tessera/backend/reference/attention.hpp>
#include <vector>

#include "fma_peak.hpp"

namespace {

using namespace tessera;
using Cpu = cpu_detail::AttentionOps<benchmarks::Arch>;
using Reference = reference_detail::AttentionOps<double>;

template <class T>
std::vector<T> random_values(Index size, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<T> values(static_cast<std::size_t>(size));
  for (T& value : values) value = static_cast<T>(normal(generator));
  return values;
}

template <class T>
struct Arrays {
  std::vector<T> q, kv, dy, y, log_sum_exp, dq, dkv;
};

template <class T, Index D, Index heads>
Arrays<T> arrays(Index rows) {
  const auto poisoned = [](Index size) {
    return std::vector<T>(static_cast<std::size_t>(size), std::numeric_limits<T>::quiet_NaN());
  };
  return {random_values<T>(rows * D, 1), random_values<T>(rows * 2 * D, 2),
          random_values<T>(rows * D, 3), poisoned(rows * D),
          poisoned(heads * rows),        poisoned(rows * D),
          poisoned(rows * 2 * D)};
}

template <class Ops, Index D, Index heads, class T>
void forward(Index rows, Arrays<T>& a) {
  Ops::attention(shape<D, heads>, 1, rows, rows, a.q, a.kv, a.y, a.log_sum_exp);
}
template <class Ops, Index D, Index heads, class T>
void backward(Index rows, Arrays<T>& a) {
  Ops::attention_backward(shape<D, heads>, 1, rows, rows, a.q, a.kv, a.y, a.log_sum_exp, a.dy, a.dq, a.dkv);
}

void check(const std::string& name, const std::vector<float>& found, const std::vector<double>& expected) {
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::abs(static_cast<double>(found[i]) - expected[i]) <= 1e-5) continue;
    std::printf("%s: wrong value at %zu\n", name.c_str(), i);
    std::exit(1);
  }
}

void print(const std::string& name, int threads, const benchmarks::Speed& speed) {
  std::printf("%-52s %d  %7.1f GFLOP/s  %5.1f %%\n", name.c_str(), threads, speed.flops_per_second * 1e-9,
              speed.share_of_peak * 100.0);
  std::fflush(stdout);
}

template <Index D, Index heads>
void run(Index rows, int threads, const std::string& filter) {
  const std::string suffix =
      " width " + std::to_string(D) + ", " + std::to_string(heads) + " heads, " + std::to_string(rows) + " rows";
  if (("attention attention_backward" + suffix).find(filter) == std::string::npos) return;
  Arrays<float> found = arrays<float, D, heads>(rows);
  Arrays<double> expected = arrays<double, D, heads>(rows);
  forward<Cpu, D, heads>(rows, found);
  backward<Cpu, D, heads>(rows, found);
  forward<Reference, D, heads>(rows, expected);
  backward<Reference, D, heads>(rows, expected);
  check("attention" + suffix, found.y, expected.y);
  check("attention_backward" + suffix, found.dq, expected.dq);
  check("attention_backward" + suffix, found.dkv, expected.dkv);

  const double product = 2.0 * static_cast<double>(rows * rows * D);
  print("attention" + suffix, threads,
        benchmarks::measure(threads, 2.0 * product, [&] { forward<Cpu, D, heads>(rows, found); }));
  print("attention_backward" + suffix, threads,
        benchmarks::measure(threads, 5.0 * product, [&] { backward<Cpu, D, heads>(rows, found); }));
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const std::string filter = argc > 2 ? argv[2] : "";
  std::printf("%s, peak %.1f GFLOP/s on %d threads\n", std::string(benchmarks::instruction_set()).c_str(),
              benchmarks::fma_peak(threads) * 1e-9, threads);
  run<768, 12>(320, threads, filter);
  run<512, 8>(257, threads, filter);
  run<128, 2>(256, threads, filter);
  run<128, 8>(256, threads, filter);
}
