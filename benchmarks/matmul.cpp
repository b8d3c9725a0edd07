// How near the matrix products come to the machine's peak, over the shapes of vision transformers.
//   matmul [threads [part of a line's name]]
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tessera/backend/cpu/linear.hpp>
#include <tuple>

#include "cases/linear.hpp"
#include "products.hpp"

namespace {

using namespace tessera;
using Cpu = cpu_detail::LinearOps<benchmarks::Arch>;
using benchmarks::check;
using benchmarks::dot;
using benchmarks::Floats;
using benchmarks::random_floats;
using benchmarks::time;

template <Index In, Index Out>
void run(cases::LinearCase<In, Out> c, int threads, const std::string& filter) {
  const Index rows = c.rows;
  const std::string suffix = " " + std::to_string(rows) + " x " + std::to_string(In) + " -> " + std::to_string(Out);
  const auto wanted = [&](const std::string& name) { return (name + suffix).find(filter) != std::string::npos; };
  const double flops = 2.0 * static_cast<double>(rows * In * Out);
  Floats x = random_floats(rows * In, 1);
  Floats dy = random_floats(rows * Out, 2);
  const Floats weight = random_floats(In * Out, 3);
  const Floats bias = random_floats(Out, 4);
  Floats packed(Cpu::packed_weight_size(c.size));
  Floats y(rows * Out);
  Floats gelu_slope(rows * Out);
  Floats dx(rows * In);
  Floats dweight(In * Out);
  Floats dbias(Out);
  Floats scratch(Cpu::linear_backward_scratch(c.size, rows));
  const View<const float> x_view = x.view(), dy_view = dy.view(), weight_view = weight.view(), bias_view = bias.view(),
                          packed_view = packed.view();

  if (wanted("linear") || wanted("linear gelu")) {
    Cpu::pack_weight(c.size, weight_view, packed.view());
    const auto linear = [&] { Cpu::linear(c.size, rows, x_view, packed_view, {.bias = bias_view}, y.view()); };
    linear();
    check(
        "linear" + suffix, rows, Out, In, [&](Index r, Index o) { return y.data()[r * Out + o]; },
        [&](Index r, Index o) {
          return dot(
                     In, [&](Index k) { return x_view[r * In + k]; },
                     [&](Index k) { return weight_view[o * In + k]; }) +
                 bias_view[o];
        });
    if (wanted("linear")) time("linear" + suffix, threads, flops, linear);
    if (wanted("linear gelu")) {
      time("linear gelu" + suffix, threads, flops, [&] {
        Cpu::linear(c.size, rows, x_view, packed_view,
                    {.bias = bias_view, .gelu = true, .gelu_slope = gelu_slope.view()}, y.view());
      });
    }
  }
  if (wanted("backward input")) {
    Cpu::pack_weight_transposed(c.size, weight_view, packed.view());
    const auto backward = [&] { Cpu::linear_backward_input(c.size, rows, dy_view, packed_view, {}, dx.view()); };
    backward();
    check(
        "backward input" + suffix, rows, In, Out, [&](Index r, Index i) { return dx.data()[r * In + i]; },
        [&](Index r, Index i) {
          return dot(
              Out, [&](Index k) { return dy_view[r * Out + k]; }, [&](Index k) { return weight_view[k * In + i]; });
        });
    time("backward input" + suffix, threads, flops, backward);
  }
  if (wanted("backward weight")) {
    const auto backward = [&] {
      Cpu::linear_backward_weight(c.size, rows, x_view, dy_view, scratch.view(), dweight.view(), dbias.view());
    };
    backward();
    check(
        "backward weight" + suffix, Out, In, rows, [&](Index o, Index i) { return dweight.data()[o * In + i]; },
        [&](Index o, Index i) {
          return dot(
              rows, [&](Index k) { return dy_view[k * Out + o]; }, [&](Index k) { return x_view[k * In + i]; });
        });
    time("backward weight" + suffix, threads, flops, backward);
  }
  if (wanted("pack both")) {
    const double packing = benchmarks::seconds(threads, [&] {
      for (int repeat = 0; repeat < 10; ++repeat) {
        Cpu::pack_weight(c.size, weight_view, packed.view());
        Cpu::pack_weight_transposed(c.size, weight_view, packed.view());
      }
    });
    std::printf("%-44s %d  %7.2f ns a weight\n", ("pack both" + suffix).c_str(), threads,
                packing * 1e8 / static_cast<double>(In * Out));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const std::string filter = argc > 2 ? argv[2] : "";
  set_thread_count(threads);
  benchmarks::print_header("operation, rows x in -> out", threads);
  std::apply([&](auto... c) { (run(c, threads, filter), ...); }, cases::linear_benchmark_cases);
}
