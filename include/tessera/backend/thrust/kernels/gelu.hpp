// The exact GELU of products that a library made, and its slope's part in the gradient: sixteen bytes an instruction,
// as little more than memory's speed is asked of them.
#pragma once

#include <tessera/backend/thrust/kernels/grid.hpp>
#include <tessera/backend/thrust/kernels/pack.hpp>
#include <tessera/backend/thrust/linear.hpp>

namespace tessera::thrust_detail {

inline constexpr int gelu_threads = 256;

/// y = residual + gelu(pre), slopes = gelu'(pre); one thread per pack of `size` values. y may be pre or the residual.
template <class S, int size>
__global__ void __launch_bounds__(gelu_threads) gelu_values(Index packs,
                                                            const S* pre,       // [packs, size]
                                                            const S* residual,  // these two: null where absent
                                                            S* slopes, S* y) {
  const Index i = Index{blockIdx.x} * gelu_threads + static_cast<int>(threadIdx.x);
  if (i >= packs) return;
  float values[size], slope[size], before[size] = {};
  load_pack(pre + i * size, values);
  if (residual != nullptr) load_pack(residual + i * size, before);
#pragma unroll
  for (int j = 0; j < size; ++j) {
    slope[j] = slopes == nullptr ? 0.0F : gelu_slope(values[j]);
    const float value = values[j] * normal_distribution(values[j]);
    values[j] = residual == nullptr ? value : before[j] + value;
  }
  store_pack(values, y + i * size);
  if (slopes != nullptr) store_pack(slope, slopes + i * size);
}

/// dx = residual + dy * slopes. dx may be dy or the residual.
template <class S, int size>
__global__ void __launch_bounds__(gelu_threads) gelu_gradients(Index packs,
                                                               const S* dy,        // [packs, size]
                                                               const S* slopes,    // the same
                                                               const S* residual,  // null where absent
                                                               S* dx) {
  const Index i = Index{blockIdx.x} * gelu_threads + static_cast<int>(threadIdx.x);
  if (i >= packs) return;
  float values[size], slope[size], before[size] = {};
  load_pack(dy + i * size, values);
  load_pack(slopes + i * size, slope);
  if (residual != nullptr) load_pack(residual + i * size, before);
#pragma unroll
  for (int j = 0; j < size; ++j) {
    const float value = values[j] * slope[j];
    values[j] = residual == nullptr ? value : before[j] + value;
  }
  store_pack(values, dx + i * size);
}

/// Both for matrices of so many columns.
template <class System, Index columns>
struct Gelu {
  using S = typename System::Scalar;
  static constexpr int size = pack_size<S, columns>;

  static void values(Index rows, const S* pre, const S* residual, S* slopes, S* y) {
    start(gelu_values<S, size>, rows, pre, residual, slopes, y);
  }
  static void gradients(Index rows, const S* dy, const S* slopes, const S* residual, S* dx) {
    start(gelu_gradients<S, size>, rows, dy, slopes, residual, dx);
  }

 private:
  template <class Kernel, class... Arguments>
  static void start(Kernel* kernel, Index rows, Arguments... arguments) {
    const Index packs = rows * columns / size;
    if (packs == 0) return;
    System::run(kernel, grid_of(ceil_div(packs, gelu_threads)), gelu_threads, 0, packs, arguments...);
  }
};

}  // namespace tessera::thrust_detail
