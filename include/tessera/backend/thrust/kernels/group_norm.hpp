// y = silu(group_norm(x)) on a GPU, silu(v) = v / (1 + exp(-v)). Wu and He 2018, arXiv:1803.08494; Hendrycks and Gimpel
// 2016, arXiv:1606.08415. x [batch, pixels, C], C in G groups of neighbouring channels. Blocks read whole pixels, whose
// channels lie together, and sum up each channel; a second kernel makes of that what an image's groups have in common;
// a third goes over the values. How an image is cut into blocks depends on its size alone, and so do the orders of
// sums.
#pragma once

#include <tessera/backend/thrust/kernels/columns.hpp>
#include <tessera/backend/thrust/kernels/row.hpp>

namespace tessera::thrust_detail {

// --- Statistics. ---

/// moments[b] = each channel's mean over block b's pixels, and its sum of squared differences from there. A thread
/// subtracts its first pixel from the others: one of n values is so near their mean that no more than a factor n of the
/// squares' precision is lost, n <= rows_per_sum.
template <class S, Index C>
__global__ void __launch_bounds__(256) channel_moments(Index pixels, unsigned blocks,
                                                       const S* x,        // [batch, pixels, C]
                                                       float* moments) {  // [batch, blocks, 2, C]
  using Tile = ColumnTile<S, C>;
  constexpr int step = 2 * Tile::across;  // from lane to lane in shared memory
  const Index begin = Tile::row(blocks, rows_per_sum);
  const int rows = static_cast<int>(smaller(Tile::lanes * rows_per_sum, pixels - begin));
  const int lanes = rows < Tile::lanes ? rows : Tile::lanes;  // that have a pixel
  float mean[Tile::pack] = {}, squares[Tile::pack] = {};
  if (Tile::column() < C && Tile::lane() < lanes) {
    const S* const from = x + (static_cast<Index>(blockIdx.x / blocks) * pixels + begin) * C + Tile::column();
    load_pack(from + Tile::lane() * C, mean);
    float sums[Tile::pack] = {};
    for (int r = Tile::lane() + Tile::lanes; r < rows; r += Tile::lanes) {
      float values[Tile::pack];
      load_pack(from + r * C, values);
      for (int i = 0; i < Tile::pack; ++i) {
        const float difference = values[i] - mean[i];
        sums[i] += difference;
        squares[i] = std::fma(difference, difference, squares[i]);
      }
    }
    for (int i = 0; i < Tile::pack; ++i) {
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
    // Several means at once (Chan, Golub and LeVeque 1983), relative to the first one.
    const float first = shared[i];
    float sum = 0;
    for (int lane = 1; lane < lanes; ++lane) {
      sum = std::fma(static_cast<float>(Tile::rows_of(lane, rows)), shared[lane * step + i] - first, sum);
    }
    const float rest = sum / static_cast<float>(rows);
    float total = 0;
    for (int lane = 0; lane < lanes; ++lane) {
      const float difference = shared[lane * step + i] - first - rest;
      total += shared[lane * step + Tile::across + i];
      total = std::fma(static_cast<float>(Tile::rows_of(lane, rows)) * difference, difference, total);
    }
    float* const to = moments + static_cast<Index>(blockIdx.x) * 2 * C + channel;
    to[0] = first + rest;
    to[C] = total;
  }
}

/// What blocks found out about one group of an image, two values for each of its channels in each of them: parts that
/// the threads of a team put together.
template <class S, Index C, Index G>
struct GroupParts {
  using Team = thrust_detail::Team<4>;
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
__global__ void __launch_bounds__(128) group_statistics(GroupParts<S, C, G> parts,  // channel_moments'
                                                        Wide<S>* mean,              // [batch, G]
                                                        Wide<S>* rstd) {            // [batch, G]
  using Team = typename GroupParts<S, C, G>::Team;
  const double count = static_cast<double>(parts.pixels * parts.channels);
  double sum = 0;
  for (int i = Team::thread(); i < parts.count(); i += Team::threads) sum += parts.rows(i) * parts[i][0];
  const double average = Team::sum(sum) / count;
  double squares = 0;
  for (int i = Team::thread(); i < parts.count(); i += Team::threads) {
    const double difference = parts[i][0] - average;
    squares += parts[i][C] + parts.rows(i) * difference * difference;
  }
  const double variance = Team::sum(squares) / count;
  if (Team::thread() != 0) return;
  mean[blockIdx.x] = static_cast<float>(average);
  rstd[blockIdx.x] = static_cast<float>(1 / std::sqrt(variance + 1e-6));
}

// --- What is made of them, value by value. ---

/// Values that a thread reads before it writes any: they hide the memory's latency.
inline constexpr int values_in_flight = 16;

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
  static constexpr int size = pack_size<S, C>;
  static constexpr int channels = C / G;
  // Neighbours that are always of one group, and so have their statistics in one register.
  static constexpr int together = channels % size == 0 ? size : size % channels == 0 ? channels : 1;
  using OfGroups = float[size / together];
  OfGroups mean, rstd;
  float weight[size], bias[size];

  __device__ GroupNormPack(const GroupNormInputs<S, C, G>& inputs, Index image, Index first) {
    load(inputs.mean, image, first, mean);
    load(inputs.rstd, image, first, rstd);
    load_pack(inputs.weight + first, weight);
    load_pack(inputs.bias + first, bias);
  }
  /// From values of [batch, G], those of the channels from `first` on.
  __device__ static void load(const float* values, Index image, Index first, OfGroups& to) {
    for (int i = 0; i < size; i += together) to[i / together] = values[image * G + (first + i) / channels];
  }

  __device__ float normalized(int i, float x) const { return (x - mean[i / together]) * rstd[i / together]; }
  __device__ float affine(int i, float normalized) const { return std::fma(normalized, weight[i], bias[i]); }
  __device__ static float sigmoid(float v) { return 1.0F / (1.0F + std::exp(-v)); }
  /// The slope by v = affine(normalized): dy * s * (1 + v * (1 - s)), s = sigmoid(v).
  __device__ float dv(int i, float normalized, float dy) const {
    const float v = affine(i, normalized), s = sigmoid(v);
    return dy * s * std::fma(v, 1.0F - s, 1.0F);
  }
};

template <class S, Index C, Index G>
__global__ void __launch_bounds__(256) group_norm_silu_values(GroupNormInputs<S, C, G> inputs, unsigned blocks,
                                                              S* y) {  // [batch, pixels, C], may be x
  using Tile = ColumnTile<S, C>;
  using Pack = GroupNormPack<S, C, G>;
  constexpr int held = values_in_flight / Tile::pack;  // pixels
  if (Tile::column() >= C) return;
  const Index image = blockIdx.x / blocks;
  const Index first = Tile::row(blocks, held) + Tile::lane();
  const Index at = (image * inputs.pixels + first) * C + Tile::column();
  float values[held][Tile::pack];
  for (int k = 0; k < held; ++k) {
    if (first + k * Tile::lanes < inputs.pixels) load_pack(inputs.x + at + k * Tile::lanes * C, values[k]);
  }
  const Pack pack(inputs, image, Tile::column());
  for (int k = 0; k < held; ++k) {
    if (first + k * Tile::lanes >= inputs.pixels) continue;
    for (int i = 0; i < Tile::pack; ++i) {
      const float v = pack.affine(i, pack.normalized(i, values[k][i]));
      values[k][i] = v * Pack::sigmoid(v);
    }
    store_pack(values[k], y + at + k * Tile::lanes * C);
  }
}

// --- Gradients. With n the normalized x and g = dv * weight: dx += rstd * (g - mean(g) - n * mean(g n)). ---

/// What a pixel adds to the gradients: dv * n to dweight, dv to dbias.
template <class S, Index C, Index G>
struct GroupNormTerms {
  using Scalar = S;
  static constexpr Index columns = C;
  static constexpr int pack = pack_size<S, C>;
  GroupNormInputs<S, C, G> inputs;
  const S* dy;  // [batch, pixels, C]

  struct Columns {
    GroupNormPack<S, C, G> common;
    const S* x;  // [pixels, C], from the thread's first channel on
    const S* dy;

    __device__ void add(Index p, float (&dweight)[pack], float (&dbias)[pack]) const {
      float values[pack], slopes[pack];
      load_pack(x + p * C, values);
      load_pack(dy + p * C, slopes);
      for (int i = 0; i < pack; ++i) {
        const float n = common.normalized(i, values[i]);
        const float dv = common.dv(i, n, slopes[i]);
        dweight[i] = std::fma(dv, n, dweight[i]);
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
__global__ void __launch_bounds__(128) group_slopes(GroupParts<S, C, G> parts,  // GroupNormTerms' sums
                                                    const S* weight,            // [C]
                                                    float* mean_g,              // [batch, G]
                                                    float* mean_gn) {           // [batch, G]
  using Team = typename GroupParts<S, C, G>::Team;
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
__global__ void __launch_bounds__(256) group_norm_input_gradient(GroupNormInputs<S, C, G> inputs, unsigned blocks,
                                                                 const float* mean_g,   // [batch, G]
                                                                 const float* mean_gn,  // [batch, G]
                                                                 const S* dy,           // [batch, pixels, C]
                                                                 S* dx) {               // [batch, pixels, C]
  using Tile = ColumnTile<S, C>;
  using Pack = GroupNormPack<S, C, G>;
  constexpr int held = values_in_flight / Tile::pack;  // pixels
  if (Tile::column() >= C) return;
  const Index image = blockIdx.x / blocks;
  const Index first = Tile::row(blocks, held) + Tile::lane();
  const Index at = (image * inputs.pixels + first) * C + Tile::column();
  float values[held][Tile::pack], slopes[held][Tile::pack], gradients[held][Tile::pack];
  for (int k = 0; k < held; ++k) {
    if (first + k * Tile::lanes >= inputs.pixels) continue;
    load_pack(inputs.x + at + k * Tile::lanes * C, values[k]);
    load_pack(dy + at + k * Tile::lanes * C, slopes[k]);
    load_pack(dx + at + k * Tile::lanes * C, gradients[k]);
  }
  const Pack pack(inputs, image, Tile::column());
  typename Pack::OfGroups average_g, average_gn;
  Pack::load(mean_g, image, Tile::column(), average_g);
  Pack::load(mean_gn, image, Tile::column(), average_gn);
  for (int k = 0; k < held; ++k) {
    if (first + k * Tile::lanes >= inputs.pixels) continue;
    for (int i = 0; i < Tile::pack; ++i) {
      const int group = i / Pack::together;
      const float n = pack.normalized(i, values[k][i]);
      const float g = pack.dv(i, n, slopes[k][i]) * pack.weight[i];
      gradients[k][i] += pack.rstd[group] * (g - average_g[group] - n * average_gn[group]);
    }
    store_pack(gradients[k], dx + at + k * Tile::lanes * C);
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
    using Team = typename GroupParts<S, C, G>::Team;
    const Index blocks = Tile::blocks(pixels, rows_per_sum);
    auto moments = System::template scratch<float>(batch * blocks * 2 * C);
    auto unread = System::template scratch<float>(2 * batch * G);
    if (mean.empty()) mean = unread.view().first(batch * G);
    if (rstd.empty()) rstd = unread.view().last(batch * G);
    System::run(channel_moments<S, C>, Tile::grid(batch * blocks), Tile::threads, Tile::shared_bytes, pixels,
                static_cast<unsigned>(blocks), x.data(), moments.view().data());
    System::run(group_statistics<S, C, G>, grid(batch * G), Team::block, Team::shared_bytes,
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
    using Team = typename GroupParts<S, C, G>::Team;
    const Index blocks = ColumnTile<S, C>::blocks(pixels, rows_per_sum);
    const GroupNormInputs<S, C, G> inputs{pixels, x.data(), weight.data(), bias.data(), mean.data(), rstd.data()};
    const auto sums = sum_columns<System>(GroupNormTerms<S, C, G>{inputs, dy.data()}, batch, pixels);
    add_column_sums<System, C>(sums.view(), dweight.data(), dbias.data());
    auto means = System::template scratch<float>(2 * batch * G);
    float* const mean_g = means.view().data();
    float* const mean_gn = mean_g + batch * G;
    System::run(group_slopes<S, C, G>, grid(batch * G), Team::block, Team::shared_bytes,
                GroupParts<S, C, G>{pixels, static_cast<unsigned>(blocks), sums.view().data()}, weight.data(), mean_g,
                mean_gn);
    run_values<C>(group_norm_input_gradient<S, C, G>, batch, inputs, mean_g, mean_gn, dy.data(), dx.data());
  }

 private:
  static dim3 grid(Index blocks) { return dim3{static_cast<unsigned>(blocks), 1, 1}; }

  template <Index C, class Kernel, class Inputs, class... Arguments>
  static void run_values(Kernel kernel, Index batch, const Inputs& inputs, const Arguments&... arguments) {
    using Tile = ColumnTile<S, C>;
    const Index blocks = Tile::blocks(inputs.pixels, values_in_flight / Tile::pack);
    System::run(kernel, Tile::grid(batch * blocks), Tile::threads, 0, inputs, static_cast<unsigned>(blocks),
                arguments...);
  }
};

}  // namespace tessera::thrust_detail
