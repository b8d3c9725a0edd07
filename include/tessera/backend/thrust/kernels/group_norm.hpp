// y = silu(group_norm(x)) on a GPU, silu(v) = v / (1 + exp(-v)). Wu and He 2018, arXiv:1803.08494; Hendrycks and Gimpel
// 2016, arXiv:1606.08415. x [batch, pixels, C], C in G groups of neighbouring channels. Blocks read whole pixels, whose
// channels lie together, and sum up each channel; a second kernel makes of that what an image's groups have in common;
// a third goes over the values. How an image is cut into blocks depends on its size alone, and so do the orders of
// sums.
#pragma once

#include <cmath>

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/kernels/columns.hpp>
#include <tessera/backend/thrust/kernels/grid.hpp>
#include <tessera/backend/thrust/kernels/pack.hpp>
#include <tessera/backend/thrust/kernels/team.hpp>

namespace tessera::thrust_detail {

// --- Statistics. ---

/// Of one channel over some pixels.
struct Moments {
  float mean, squares;  // the sum of squared differences from the mean
};

/// Several means at once (Chan, Golub and LeVeque 1983), relative to the first one: of one channel of `Tile`, those of
/// `lanes` lanes, which share the block's `rows` pixels.
template <class Tile>
__device__ inline Moments join_lanes_moments(const float* shared, int lanes, int rows) {  // [lanes, 2, across]
  constexpr int step = 2 * Tile::across;
  const float first = shared[0];
  float sum = 0;
  for (int lane = 1; lane < lanes; ++lane) {
    sum = fmaf(static_cast<float>(Tile::rows_of(lane, rows)), shared[lane * step] - first, sum);
  }
  const float rest = sum / static_cast<float>(rows);
  float squares = 0;
  for (int lane = 0; lane < lanes; ++lane) {
    const float difference = shared[lane * step] - first - rest;
    squares += shared[lane * step + Tile::across];
    squares = fmaf(static_cast<float>(Tile::rows_of(lane, rows)) * difference, difference, squares);
  }
  return {first + rest, squares};
}

/// moments[b] = each channel's mean over block b's pixels, and its sum of squared differences from there. A thread
/// subtracts its first pixel from the others: one of n values is so near their mean that no more than a factor n of the
/// squares' precision is lost, n <= rows_per_sum.
template <class S, Index C>
__global__ void __launch_bounds__(column_threads) channel_moments(Index pixels, unsigned blocks,
                                                                  const S* x,        // [batch, pixels, C]
                                                                  float* moments) {  // [batch, blocks, 2, C]
  using Tile = ColumnTile<S, C>;
  const Index begin = Tile::row(blocks, rows_per_sum);
  const int rows = static_cast<int>(smaller(Tile::lanes * rows_per_sum, pixels - begin));
  const int lanes = rows < Tile::lanes ? rows : Tile::lanes;  // that have a pixel
  float mean[Tile::pack_size] = {}, squares[Tile::pack_size] = {};
  if (Tile::column() < C && Tile::lane() < lanes) {
    const S* const from = x + (static_cast<Index>(blockIdx.x / blocks) * pixels + begin) * C + Tile::column();
    load_pack(from + Tile::lane() * C, mean);
    float sums[Tile::pack_size] = {};
    for (int r = Tile::lane() + Tile::lanes; r < rows; r += Tile::lanes) {
      float values[Tile::pack_size];
      load_pack(from + r * C, values);
      for (int i = 0; i < Tile::pack_size; ++i) {
        const float difference = values[i] - mean[i];
        sums[i] += difference;
        squares[i] = fmaf(difference, difference, squares[i]);
      }
    }
    for (int i = 0; i < Tile::pack_size; ++i) {
      const float rest = sums[i] / static_cast<float>(Tile::rows_of(Tile::lane(), rows));
      mean[i] += rest;
      squares[i] -= sums[i] * rest;
    }
  }
  float* const shared = reinterpret_cast<float*>(ptx::shared_memory());
  Tile::share(mean, squares, shared);
  for (int i = static_cast<int>(threadIdx.x); i < Tile::across; i += Tile::threads) {
    const Index channel = static_cast<Index>(blockIdx.y) * Tile::across + i;
    if (channel >= C) continue;
    const Moments found = join_lanes_moments<Tile>(shared + i, lanes, rows);
    float* const to = moments + static_cast<Index>(blockIdx.x) * 2 * C + channel;
    to[0] = found.mean;
    to[C] = found.squares;
  }
}

using GroupTeam = WarpTeam<4>;  // works on one group of an image: a block

/// What blocks found out about one group of an image, two values for each of its channels in each of them: parts that
/// the threads of GroupTeam put together.
template <class S, Index C, Index G>
struct GroupParts {
  static constexpr int channels = C / G;
  static_assert(channels * G == C, "group_norm_silu: the groups must divide the channels.");
  static constexpr int rows_per_block = ColumnTile<S, C>::lanes * rows_per_sum;
  Index pixels;
  unsigned blocks;
  const float* values;  // [batch, blocks, 2, C]

  __device__ int count() const { return static_cast<int>(blocks) * channels; }
  __device__ static int channel(int part) { return static_cast<int>(blockIdx.x % G) * channels + part % channels; }
  __device__ const float* operator[](int part) const {
    return values + (static_cast<Index>(blockIdx.x / G) * blocks + part / channels) * 2 * C + channel(part);
  }
  /// Pixels of the part's block.
  __device__ double rows(int part) const {
    return static_cast<double>(smaller(rows_per_block, pixels - part / channels * Index{rows_per_block}));
  }
};

/// The groups' means and 1 / sqrt(variance + 1e-6), a block for each. Few values, hence in double.
template <class S, Index C, Index G>
__global__ void __launch_bounds__(GroupTeam::block) group_statistics(GroupParts<S, C, G> parts,  // channel_moments'
                                                                     Wide<S>* mean,              // [batch, G]
                                                                     Wide<S>* rstd) {            // [batch, G]
  using Team = GroupTeam;
  const double count = static_cast<double>(parts.pixels * parts.channels);
  double sum = 0;
  for (int i = Team::thread(); i < parts.count(); i += Team::threads) sum += parts.rows(i) * parts[i][0];
  const double group_mean = Team::sum(sum) / count;
  double squares = 0;
  for (int i = Team::thread(); i < parts.count(); i += Team::threads) {
    const double difference = parts[i][0] - group_mean;
    squares += parts[i][C] + parts.rows(i) * difference * difference;
  }
  const double variance = Team::sum(squares) / count;
  if (Team::thread() != 0) return;
  mean[blockIdx.x] = static_cast<float>(group_mean);
  rstd[blockIdx.x] = static_cast<float>(1 / std::sqrt(variance + 1e-6));
}

// --- What is made of them, value by value. ---

/// Values that a thread reads before it writes any, to hide the memory's latency. Not tuned on a GPU.
inline constexpr int values_in_flight = 16;

/// The pixels whose values a thread holds in one pack of channels.
template <class S, Index C>
struct HeldPixels {
  using Tile = ColumnTile<S, C>;
  static constexpr int count = values_in_flight / Tile::pack_size;
  Index pixels;  // of an image
  Index image, first;
  Index begin;  // where the values of pixel `first` lie in [batch, pixels, C]

  __device__ HeldPixels(Index pixels_of_image, unsigned blocks)
      : pixels(pixels_of_image),
        image(blockIdx.x / blocks),
        first(Tile::row(blocks, count) + Tile::lane()),
        begin((image * pixels + first) * C + Tile::column()) {}
  __device__ bool has(int k) const { return first + k * Tile::lanes < pixels; }
  /// Where the values of the k-th lie.
  __device__ Index at(int k) const { return begin + k * Tile::lanes * C; }
};

template <class S, Index C, Index G>
struct GroupNormInputs {
  Index pixels;
  const S* x;           // [batch, pixels, C]
  const S* weight;      // [C]
  const S* bias;        // [C]
  const Wide<S>* mean;  // [batch, G]
  const Wide<S>* rstd;  // [batch, G]
};

/// What the pixels of an image have in common in a thread's pack of channels.
template <class S, Index C, Index G>
struct GroupNormPack {
  static constexpr int pack_size = thrust_detail::pack_size<S, C>;
  static constexpr int channels = C / G;
  // Neighbours that are always of one group, and so have their statistics in one register.
  static constexpr int together = channels % pack_size == 0 ? pack_size : pack_size % channels == 0 ? channels : 1;
  using OfGroups = float[pack_size / together];
  OfGroups mean, rstd;
  float weight[pack_size], bias[pack_size];

  __device__ GroupNormPack(const GroupNormInputs<S, C, G>& inputs, Index image, Index first) {
    load(inputs.mean, image, first, mean);
    load(inputs.rstd, image, first, rstd);
    load_pack(inputs.weight + first, weight);
    load_pack(inputs.bias + first, bias);
  }
  /// From values of [batch, G], those of the channels from `first` on.
  __device__ static void load(const float* values, Index image, Index first, OfGroups& to) {
    for (int i = 0; i < pack_size; i += together) to[i / together] = values[image * G + (first + i) / channels];
  }

  __device__ float normalized(int i, float x) const { return (x - mean[i / together]) * rstd[i / together]; }
  __device__ float affine(int i, float normalized) const { return fmaf(normalized, weight[i], bias[i]); }
  __device__ static float sigmoid(float v) { return 1.0F / (1.0F + expf(-v)); }
  /// The slope by v = affine(normalized): dy * s * (1 + v * (1 - s)), s = sigmoid(v).
  __device__ float dv(int i, float normalized, float dy) const {
    const float v = affine(i, normalized), s = sigmoid(v);
    return dy * s * fmaf(v, 1.0F - s, 1.0F);
  }
};

template <class S, Index C, Index G>
__global__ void __launch_bounds__(column_threads)
    group_norm_silu_values(GroupNormInputs<S, C, G> inputs, unsigned blocks,
                           S* y) {  // [batch, pixels, C], may be x
  using Tile = ColumnTile<S, C>;
  using Pack = GroupNormPack<S, C, G>;
  using Held = HeldPixels<S, C>;
  if (Tile::column() >= C) return;
  const Held held(inputs.pixels, blocks);
  float values[Held::count][Tile::pack_size];
  for (int k = 0; k < Held::count; ++k) {
    if (held.has(k)) load_pack(inputs.x + held.at(k), values[k]);
  }
  const Pack pack(inputs, held.image, Tile::column());
  for (int k = 0; k < Held::count; ++k) {
    if (!held.has(k)) continue;
    for (int i = 0; i < Tile::pack_size; ++i) {
      const float v = pack.affine(i, pack.normalized(i, values[k][i]));
      values[k][i] = v * Pack::sigmoid(v);
    }
    store_pack(values[k], y + held.at(k));
  }
}

// --- Gradients. With n the normalized x and g = dv * weight: dx += rstd * (g - mean(g) - n * mean(g n)). ---

/// What a pixel adds to the gradients: dv * n to dweight, dv to dbias.
template <class S, Index C, Index G>
struct GroupNormTerms {
  using Scalar = S;
  static constexpr Index columns = C;
  static constexpr int pack_size = thrust_detail::pack_size<S, C>;
  GroupNormInputs<S, C, G> inputs;
  const S* dy;  // [batch, pixels, C]

  struct Columns {
    GroupNormPack<S, C, G> common;
    const S* x;  // [pixels, C], from the thread's first channel on
    const S* dy;

    __device__ void add(Index p, float (&dweight)[pack_size], float (&dbias)[pack_size]) const {
      float x_values[pack_size], dy_values[pack_size];
      load_pack(x + p * C, x_values);
      load_pack(dy + p * C, dy_values);
      for (int i = 0; i < pack_size; ++i) {
        const float n = common.normalized(i, x_values[i]);
        const float dv = common.dv(i, n, dy_values[i]);
        dweight[i] = fmaf(dv, n, dweight[i]);
        dbias[i] += dv;
      }
    }
  };
  __device__ Columns at(Index image, Index first) const {
    const Index begin = image * inputs.pixels * C + first;
    return {{inputs, image, first}, inputs.x + begin, dy + begin};
  }
};

/// mean(g) and mean(g n) of each group, from what the gradients of weight and bias sum up of its channels anyway.
template <class S, Index C, Index G>
__global__ void __launch_bounds__(GroupTeam::block) group_slopes(GroupParts<S, C, G> parts,  // GroupNormTerms' sums
                                                                 const S* weight,            // [C]
                                                                 float* mean_g,              // [batch, G]
                                                                 float* mean_gn) {           // [batch, G]
  using Team = GroupTeam;
  const double count = static_cast<double>(parts.pixels * parts.channels);
  double sum_g = 0, sum_gn = 0;
  for (int i = Team::thread(); i < parts.count(); i += Team::threads) {
    const double factor = static_cast<float>(weight[parts.channel(i)]);
    sum_gn += factor * parts[i][0];
    sum_g += factor * parts[i][C];
  }
  const double g = Team::sum(sum_g) / count, gn = Team::sum(sum_gn) / count;
  if (Team::thread() != 0) return;
  mean_g[blockIdx.x] = static_cast<float>(g);
  mean_gn[blockIdx.x] = static_cast<float>(gn);
}

template <class S, Index C, Index G>
__global__ void __launch_bounds__(column_threads)
    group_norm_input_gradient(GroupNormInputs<S, C, G> inputs, unsigned blocks,
                              const float* mean_g,   // [batch, G]
                              const float* mean_gn,  // [batch, G]
                              const S* dy,           // [batch, pixels, C]
                              S* dx) {               // [batch, pixels, C]
  using Tile = ColumnTile<S, C>;
  using Pack = GroupNormPack<S, C, G>;
  using Held = HeldPixels<S, C>;
  if (Tile::column() >= C) return;
  const Held held(inputs.pixels, blocks);
  float values[Held::count][Tile::pack_size];  // of x
  float dy_values[Held::count][Tile::pack_size], dx_values[Held::count][Tile::pack_size];
  for (int k = 0; k < Held::count; ++k) {
    if (!held.has(k)) continue;
    load_pack(inputs.x + held.at(k), values[k]);
    load_pack(dy + held.at(k), dy_values[k]);
    load_pack(dx + held.at(k), dx_values[k]);
  }
  const Pack pack(inputs, held.image, Tile::column());
  typename Pack::OfGroups group_mean_g, group_mean_gn;
  Pack::load(mean_g, held.image, Tile::column(), group_mean_g);
  Pack::load(mean_gn, held.image, Tile::column(), group_mean_gn);
  for (int k = 0; k < Held::count; ++k) {
    if (!held.has(k)) continue;
    for (int i = 0; i < Tile::pack_size; ++i) {
      const int group = i / Pack::together;
      const float n = pack.normalized(i, values[k][i]);
      const float g = pack.dv(i, n, dy_values[k][i]) * pack.weight[i];
      dx_values[k][i] += pack.rstd[group] * (g - group_mean_g[group] - n * group_mean_gn[group]);
    }
    store_pack(dx_values[k], dx + held.at(k));
  }
}

template <class System>
struct KernelGroupNormOps {
  using S = typename System::Scalar;

  template <Index C, Index G>
  static void group_norm_silu(Shape<C, G>, Index batch, Index pixels, View<const S> x, View<const S> weight,
                              View<const S> bias, View<S> y, View<Wide<S>> mean, View<Wide<S>> rstd) {
    if (batch * pixels == 0) return;
    using Tile = ColumnTile<S, C>;
    const Index blocks = Tile::blocks(pixels, rows_per_sum);
    auto moments = System::template scratch<float>(batch * blocks * 2 * C);
    auto unread = System::template scratch<float>(2 * batch * G);
    if (mean.empty()) mean = unread.view().first(batch * G);
    if (rstd.empty()) rstd = unread.view().last(batch * G);
    System::run(channel_moments<S, C>, Tile::grid(batch * blocks), Tile::threads, Tile::shared_bytes, pixels,
                static_cast<unsigned>(blocks), x.data(), moments.view().data());
    System::run(group_statistics<S, C, G>, grid_of(batch * G), GroupTeam::block, GroupTeam::shared_bytes,
                GroupParts<S, C, G>{pixels, static_cast<unsigned>(blocks), moments.view().data()}, mean.data(),
                rstd.data());
    const GroupNormInputs<S, C, G> inputs{pixels, x.data(), weight.data(), bias.data(), mean.data(), rstd.data()};
    run_values<C>(group_norm_silu_values<S, C, G>, batch, inputs, y.data());
  }
  template <Index C, Index G>
  static void group_norm_silu_backward(Shape<C, G>, Index batch, Index pixels, View<const S> x, View<const S> weight,
                                       View<const S> bias, View<const Wide<S>> mean, View<const Wide<S>> rstd,
                                       View<const S> dy, View<S> dx, View<Wide<S>> dweight, View<Wide<S>> dbias) {
    if (batch * pixels == 0) return;
    const Index blocks = ColumnTile<S, C>::blocks(pixels, rows_per_sum);
    const GroupNormInputs<S, C, G> inputs{pixels, x.data(), weight.data(), bias.data(), mean.data(), rstd.data()};
    const auto sums = sum_columns<System>(GroupNormTerms<S, C, G>{inputs, dy.data()}, batch, pixels);
    add_column_sums<System, C>(sums.view(), dweight.data(), dbias.data());
    auto means = System::template scratch<float>(2 * batch * G);
    float* const mean_g = means.view().data();
    float* const mean_gn = mean_g + batch * G;
    System::run(group_slopes<S, C, G>, grid_of(batch * G), GroupTeam::block, GroupTeam::shared_bytes,
                GroupParts<S, C, G>{pixels, static_cast<unsigned>(blocks), sums.view().data()}, weight.data(), mean_g,
                mean_gn);
    run_values<C>(group_norm_input_gradient<S, C, G>, batch, inputs, mean_g, mean_gn, dy.data(), dx.data());
  }

 private:
  template <Index C, class Kernel, class Inputs, class... Arguments>
  static void run_values(Kernel kernel, Index batch, const Inputs& inputs, const Arguments&... arguments) {
    using Tile = ColumnTile<S, C>;
    const Index blocks = Tile::blocks(inputs.pixels, HeldPixels<S, C>::count);
    System::run(kernel, Tile::grid(batch * blocks), Tile::threads, 0, inputs, static_cast<unsigned>(blocks),
                arguments...);
  }
};

}  // namespace tessera::thrust_detail
