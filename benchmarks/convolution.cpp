// How near the convolutions of feature maps come to the machine's peak, over the maps of the published pixel decoder.
//   convolution [threads [part of a line's name]]
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tessera/backend/cpu/convolution.hpp>

#include "cases/convolution.hpp"
#include "products.hpp"

namespace {

using namespace tessera;
using Cpu = cpu_detail::ConvolutionOps<benchmarks::Arch>;
using benchmarks::check;
using benchmarks::dot;
using benchmarks::Floats;
using benchmarks::random_floats;
using benchmarks::time;

/// The sum of f(pixel, neighbour in the window's tap) over the pixels whose window has that neighbour.
template <Index H, Index W, class F>
double sum_neighbours(Index tap, F&& f) {
  double sum = 0.0;
  for (Index p = 0; p < H * W; ++p) {
    const Index row = p / W + tap / 3 - 1;
    const Index column = p % W + tap % 3 - 1;
    if (row >= 0 && row < H && column >= 0 && column < W) sum += f(p, row * W + column);
  }
  return sum;
}

/// The sum of f(neighbour, tap) over the neighbours of a pixel.
template <Index H, Index W, class F>
double sum_window(Index pixel, F&& f) {
  double sum = 0.0;
  for (Index tap = 0; tap < 9; ++tap) {
    const Index row = pixel / W + tap / 3 - 1;
    const Index column = pixel % W + tap % 3 - 1;
    if (row >= 0 && row < H && column >= 0 && column < W) sum += f(row * W + column, tap);
  }
  return sum;
}

template <Index H, Index W, Index In, Index Out>
void run(Shape<H, W, In, Out> size, int threads, const std::string& filter) {
  const std::string suffix =
      " " + std::to_string(H) + " x " + std::to_string(W) + ", " + std::to_string(In) + " -> " + std::to_string(Out);
  const auto wanted = [&](const std::string& name) { return (name + suffix).find(filter) != std::string::npos; };
  if (!wanted("forward") && !wanted("backward input") && !wanted("backward weight")) return;
  const double flops = 2.0 * static_cast<double>((3 * H - 2) * (3 * W - 2) * In * Out);  // inside the image
  const Floats x = random_floats(H * W * In, 1);
  const Floats dy = random_floats(H * W * Out, 2);
  const Floats weight = random_floats(Out * In * 9, 3);
  const Floats bias = random_floats(Out, 4);
  const Floats residual = random_floats(H * W * Out, 5);
  Floats packed(Cpu::packed_convolution_size(shape<In, Out>));
  Floats y(H * W * Out);
  Floats dx(H * W * In);
  Floats dweight(Out * In * 9);
  Floats dbias(Out);
  Floats scratch(Cpu::convolution_backward_scratch(size, 1));
  const View<const float> x_view = x.view(), dy_view = dy.view(), weight_view = weight.view(), bias_view = bias.view(),
                          residual_view = residual.view(), packed_view = std::as_const(packed).view();

  if (wanted("forward")) {
    Cpu::pack_convolution(shape<In, Out>, weight_view, packed.view());
    const auto forward = [&] { Cpu::convolution(size, 1, x_view, packed_view, bias_view, residual_view, y.view()); };
    forward();
    check(
        "forward" + suffix, H * W, Out, 9 * In, [&](Index p, Index o) { return y.data()[p * Out + o]; },
        [&](Index p, Index o) {
          return static_cast<double>(bias_view[o]) + static_cast<double>(residual_view[p * Out + o]) +
                 sum_window<H, W>(p, [&](Index neighbour, Index tap) {
                   return dot(
                       In, [&](Index i) { return x_view[neighbour * In + i]; },
                       [&](Index i) { return weight_view[(o * In + i) * 9 + tap]; });
                 });
        });
    time("forward" + suffix, threads, flops, forward);
  }
  if (wanted("backward input")) {
    Cpu::pack_convolution_transposed(shape<In, Out>, weight_view, packed.view());
    const auto backward = [&] { Cpu::convolution_backward_input(size, 1, dy_view, packed_view, dx.view()); };
    backward();
    check(
        "backward input" + suffix, H * W, In, 9 * Out, [&](Index p, Index i) { return dx.data()[p * In + i]; },
        [&](Index p, Index i) {
          return sum_window<H, W>(p, [&](Index neighbour, Index tap) {
            return dot(
                Out, [&](Index o) { return dy_view[neighbour * Out + o]; },
                [&](Index o) { return weight_view[(o * In + i) * 9 + 8 - tap]; });
          });
        });
    time("backward input" + suffix, threads, flops, backward);
  }
  if (wanted("backward weight")) {
    const auto backward = [&] {
      Cpu::convolution_backward_weight(size, 1, x_view, dy_view, scratch.view(), dweight.view(), dbias.view());
    };
    backward();
    check(
        "backward weight" + suffix, Out, 9 * In, H * W,
        [&](Index o, Index k) { return dweight.data()[o * 9 * In + k]; },
        [&](Index o, Index k) {
          return sum_neighbours<H, W>(k % 9, [&](Index p, Index neighbour) {
            return static_cast<double>(dy_view[p * Out + o]) * static_cast<double>(x_view[neighbour * In + k / 9]);
          });
        });
    time("backward weight" + suffix, threads, flops, backward);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const std::string filter = argc > 2 ? argv[2] : "";
  set_thread_count(threads);
  benchmarks::print_header("operation, map, in -> out", threads);
  cases::convolution_benchmark([&](auto size) { run(size, threads, filter); });
}
