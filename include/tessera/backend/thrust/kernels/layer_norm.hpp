// y = (x - mean) * rstd * weight + bias, row by row, on a GPU. Ba et al. 2016, arXiv:1607.06450. A row is read once and
// stays in registers. Sums in float32, of differences from a value near the mean.
#pragma once

#include <cmath>

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/kernels/columns.hpp>
#include <tessera/backend/thrust/kernels/pack.hpp>
#include <tessera/backend/thrust/kernels/row.hpp>

namespace tessera::thrust_detail {

template <class S, Index D>
__global__ void __launch_bounds__(RowTeam<D>::block)
    layer_norm_row(Index rows,
                   const S* x,       // [rows, D]
                   const S* weight,  // [D]
                   const S* bias,    // [D]
                   S* y,             // [rows, D]
                   Wide<S>* mean,    // [rows]; these two: null where nobody reads them
                   Wide<S>* rstd) {  // [rows]
  using Part = RowPart<S, D>;
  using Team = RowTeam<D>;
  const Index r = Team::row();
  if (r >= rows) return;
  Part row;
  row.load(x + r * D);
  float sum = 0;
  for (const auto& pack : row.values) {
    for (const float value : pack) sum += value;
  }
  const float near = Team::sum(sum) / D;  // the mean but for rounding, which matters to a row that is far from zero
  float differences = 0, squares = 0;
  for (int step = 0; step < Part::steps; ++step) {
    if (!Part::has(step)) continue;
    for (float& value : row.values[step]) {
      value -= near;
      differences += value;
      squares = fmaf(value, value, squares);
    }
  }
  const float rest = Team::sum(differences) / D;
  const float row_rstd = 1.0F / sqrtf(Team::sum(squares) / D - rest * rest + 1e-5F);
  for (int step = 0; step < Part::steps; ++step) {
    if (!Part::has(step)) continue;
    float weights[Part::pack_size], biases[Part::pack_size];
    load_pack(weight + Part::column(step), weights);
    load_pack(bias + Part::column(step), biases);
    for (int i = 0; i < Part::pack_size; ++i) {
      row.values[step][i] = fmaf((row.values[step][i] - rest) * row_rstd, weights[i], biases[i]);
    }
  }
  row.store(y + r * D);
  if (Team::thread() != 0) return;
  if (mean != nullptr) mean[r] = near + rest;
  if (rstd != nullptr) rstd[r] = row_rstd;
}

/// With n = (x - mean) * rstd and g = dy * weight: dx += rstd * (g - mean(g) - n * mean(g n)).
template <class S, Index D>
__global__ void __launch_bounds__(RowTeam<D>::block) layer_norm_input_gradient(Index rows,
                                                                               const S* x,           // [rows, D]
                                                                               const S* weight,      // [D]
                                                                               const Wide<S>* mean,  // [rows]
                                                                               const Wide<S>* rstd,  // [rows]
                                                                               const S* dy,          // [rows, D]
                                                                               S* dx) {              // [rows, D]
  using Part = RowPart<S, D>;
  using Team = RowTeam<D>;
  const Index r = Team::row();
  if (r >= rows) return;
  Part n, g;
  n.load(x + r * D);
  g.load(dy + r * D);
  const float row_mean = mean[r], row_rstd = rstd[r];
  float sum_g = 0, sum_gn = 0;
  for (int step = 0; step < Part::steps; ++step) {
    if (!Part::has(step)) continue;
    float weights[Part::pack_size];
    load_pack(weight + Part::column(step), weights);
    for (int i = 0; i < Part::pack_size; ++i) {
      n.values[step][i] = (n.values[step][i] - row_mean) * row_rstd;
      g.values[step][i] *= weights[i];
      sum_g += g.values[step][i];
      sum_gn = fmaf(g.values[step][i], n.values[step][i], sum_gn);
    }
  }
  const float mean_g = Team::sum(sum_g) / D;
  const float mean_gn = Team::sum(sum_gn) / D;
  for (int step = 0; step < Part::steps; ++step) {
    if (!Part::has(step)) continue;
    float gradient[Part::pack_size];
    S* const to = dx + r * D + Part::column(step);
    load_pack(to, gradient);
    for (int i = 0; i < Part::pack_size; ++i) {
      gradient[i] += row_rstd * (g.values[step][i] - mean_g - n.values[step][i] * mean_gn);
    }
    store_pack(gradient, to);
  }
}

/// What a row adds to the gradients: dy * n to dweight, dy to dbias.
template <class S, Index D>
struct LayerNormTerms {
  using Scalar = S;
  static constexpr Index columns = D;
  static constexpr int pack_size = thrust_detail::pack_size<S, D>;
  const S* x;           // [rows, D]
  const Wide<S>* mean;  // [rows]
  const Wide<S>* rstd;  // [rows]
  const S* dy;          // [rows, D]

  struct Columns {
    LayerNormTerms terms;
    Index first;

    __device__ void add(Index r, float (&dweight)[pack_size], float (&dbias)[pack_size]) const {
      float x_values[pack_size], dy_values[pack_size];
      load_pack(terms.x + r * D + first, x_values);
      load_pack(terms.dy + r * D + first, dy_values);
      const float row_mean = terms.mean[r], row_rstd = terms.rstd[r];
      for (int i = 0; i < pack_size; ++i) {
        dweight[i] = fmaf(dy_values[i], (x_values[i] - row_mean) * row_rstd, dweight[i]);
        dbias[i] += dy_values[i];
      }
    }
  };
  __device__ Columns at(Index /*image*/, Index first) const { return {*this, first}; }
};

template <class System>
struct KernelLayerNormOps {
  using S = typename System::Scalar;

  template <Index D>
  static void layer_norm(Shape<D>, Index rows, View<const S> x, View<const S> weight, View<const S> bias, View<S> y,
                         View<Wide<S>> mean, View<Wide<S>> rstd) {
    if (rows == 0) return;
    using Team = RowTeam<D>;
    System::run(layer_norm_row<S, D>, Team::grid(rows), Team::block, Team::shared_bytes, rows, x.data(), weight.data(),
                bias.data(), y.data(), optional(mean), optional(rstd));
  }
  template <Index D>
  static void layer_norm_backward(Shape<D>, Index rows, View<const S> x, View<const S> weight, View<const Wide<S>> mean,
                                  View<const Wide<S>> rstd, View<const S> dy, View<S> dx, View<Wide<S>> dweight,
                                  View<Wide<S>> dbias) {
    if (rows == 0) return;
    using Team = RowTeam<D>;
    System::run(layer_norm_input_gradient<S, D>, Team::grid(rows), Team::block, Team::shared_bytes, rows, x.data(),
                weight.data(), mean.data(), rstd.data(), dy.data(), dx.data());
    const LayerNormTerms<S, D> terms{x.data(), mean.data(), rstd.data(), dy.data()};
    const auto sums = sum_columns<System>(terms, 1, rows);
    add_column_sums<System, D>(sums.view(), dweight.data(), dbias.data());
  }
};

}  // namespace tessera::thrust_detail
