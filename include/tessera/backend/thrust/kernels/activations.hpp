// Softmax over rows on a GPU: a row is read once and stays in registers. Sums in float32.
#pragma once

#include <cmath>

#include <tessera/backend/thrust/activations.hpp>
#include <tessera/backend/thrust/kernels/row.hpp>

namespace tessera::thrust_detail {

/// y = exp(x - max) / sum(exp(x - max)).
template <class S, Index D>
__global__ void __launch_bounds__(RowTeam<D>::block) softmax_row(Index rows,
                                                                 const S* x,  // [rows, D]
                                                                 S* y) {      // [rows, D], may be x
  using Part = RowPart<S, D>;
  using Team = RowTeam<D>;
  const Index r = Team::row();
  if (r >= rows) return;
  Part row;
  row.load(x + r * D, -INFINITY);  // the exponentials of what is not there are zero
  float largest = -INFINITY;
  for (const auto& pack : row.values) {
    for (const float value : pack) largest = larger_value(value, largest);
  }
  largest = Team::largest(largest);
  float sum = 0;
#pragma unroll  // nvcc would not, and keep the row in memory
  for (int step = 0; step < Part::steps; ++step) {
#pragma unroll
    for (float& value : row.values[step]) {
      value = expf(value - largest);
      sum += value;
    }
  }
  const float factor = 1.0F / Team::sum(sum);
  for (auto& pack : row.values) {
    for (float& value : pack) value *= factor;
  }
  row.store(y + r * D);
}

/// dx = y * (dy - sum(dy y)).
template <class S, Index D>
__global__ void __launch_bounds__(RowTeam<D>::block) softmax_input_gradient(Index rows,
                                                                            const S* y,   // [rows, D]
                                                                            const S* dy,  // [rows, D]
                                                                            S* dx) {      // [rows, D], may be dy
  using Part = RowPart<S, D>;
  using Team = RowTeam<D>;
  const Index r = Team::row();
  if (r >= rows) return;
  Part row, slopes;  // of y, and of dy until dx takes its place
  row.load(y + r * D);
  slopes.load(dy + r * D);
  float sum = 0;
  for (int step = 0; step < Part::steps; ++step) {
    for (int i = 0; i < Part::pack_size; ++i) sum = fmaf(slopes.values[step][i], row.values[step][i], sum);
  }
  const float dot = Team::sum(sum);
  for (int step = 0; step < Part::steps; ++step) {
    for (int i = 0; i < Part::pack_size; ++i) {
      slopes.values[step][i] = row.values[step][i] * (slopes.values[step][i] - dot);
    }
  }
  slopes.store(dx + r * D);
}

/// The activations with softmax's two from here; tanh is one call a value already.
template <class System>
struct KernelActivationsOps : ActivationsOps<System> {
  using S = typename System::Scalar;

  template <Index D>
  static void softmax(Shape<D>, Index rows, View<const S> x, View<S> y) {
    if (rows == 0) return;
    using Team = RowTeam<D>;
    System::run(softmax_row<S, D>, Team::grid(rows), Team::block, Team::shared_bytes, rows, x.data(), y.data());
  }
  template <Index D>
  static void softmax_backward(Shape<D>, Index rows, View<const S> y, View<const S> dy, View<S> dx) {
    if (rows == 0) return;
    using Team = RowTeam<D>;
    System::run(softmax_input_gradient<S, D>, Team::grid(rows), Team::block, Team::shared_bytes, rows, y.data(),
                dy.data(), dx.data());
  }
};

}  // namespace tessera::thrust_detail
