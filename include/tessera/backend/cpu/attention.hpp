// y = softmax(q k^T / sqrt(d)) v by heads, and its gradients, without ever holding more than a tile of scores: the
// online softmax of Milakov and Gimelshein 2018 (arXiv:1805.02867), tiled as by Dao et al. 2022 (arXiv:2205.14135).
//
// Every number is a chain of fused multiply-adds in ascending order (over d for a score, over queries or keys for the
// rest), and no sum but `delta` runs across lanes. Key blocks have a constant size and start at multiples of it. So no
// bit depends on the batch, on threads, on the register width, or on where tiles of queries begin.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include <tessera/backend/cpu/lanes.hpp>
#include <tessera/backend/cpu/micro_kernel.hpp>
#include <tessera/backend/cpu/transpose.hpp>
#include <tessera/backend/cpu/vector_math.hpp>
#include <tessera/core/copy.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/core/types.hpp>

namespace tessera::cpu_detail {

constexpr Index round_up(Index n, Index multiple) {
  return ceil_div(n, multiple) * multiple;
}

/// An odd number of cache lines: rows that far apart fall into different sets of a cache.
constexpr Index odd_lines(Index n) {
  return round_up(n, lanes) + (round_up(n, lanes) / lanes % 2 == 0 ? lanes : 0);
}

/// log(x) for normal x > 0, the same bits on every machine: twice the artanh series of (m - 1) / (m + 1), x = 2^e m.
inline float portable_log(float x) {
  constexpr std::int32_t root_half = 0x3f3504f3;  // sqrt(1/2), so that m lies in [sqrt(1/2), sqrt(2))
  const auto bits = std::bit_cast<std::int32_t>(x);
  const std::int32_t e = (bits - root_half) >> 23;
  const double m = static_cast<double>(std::bit_cast<float>(bits - (e << 23)));
  const double s = (m - 1.0) / (m + 1.0);  // |s| < 0.172: the next term is 2e-9 of the first
  const double s2 = s * s;
  const double series = (((s2 * (1.0 / 9.0) + 1.0 / 7.0) * s2 + 1.0 / 5.0) * s2 + 1.0 / 3.0) * s2 + 1.0;
  return static_cast<float>(2.0 * s * series + e * 0.69314718055994531);
}

/// c [rows, 16 * groups] = (accumulate ? c : 0) + A B, tile by tile; rows are divided evenly over the tiles.
template <class Arch>
void multiply(Index rows, Index groups, Index depth, LeftOperand a, RightOperand b, bool accumulate, float* c,
              Index c_stride) {
  for (Index column = 0; column < groups * lanes; column += tile_columns<Arch>) {
    const Index columns = std::min(tile_columns<Arch>, groups * lanes - column);
    const Index height = narrow_tile_rows<Arch>(columns / lanes);
    const Index tiles = ceil_div(rows, height);
    for (Index t = 0; t < tiles; ++t) {
      const Index first = t * rows / tiles;
      const Index last = (t + 1) * rows / tiles;
      multiply_tile<Arch>(last - first, columns, depth, {a.data + first * a.row_stride, a.row_stride, a.k_stride},
                          {b.data + column, b.k_stride}, accumulate, c + first * c_stride + column, c_stride);
    }
  }
}

/// One head of width d = D / heads, a slice of rows of D (q, y) or 2 D (k, v) values.
template <class Arch, Index D, Index heads>
struct HeadAttention {
  static_assert(D > 0 && heads > 0 && D % heads == 0, "attention: the width must be a multiple of the heads.");

  using L = Lanes<Arch>;
  static constexpr Index d = D / heads;
  static constexpr Index groups_d = ceil_div(d, lanes);
  static constexpr Index padded =
      odd_lines(d);  // row stride of tiles on the stack; zeros behind d, up to 16 * groups_d
  static constexpr Index kv_stride = 2 * D;

  // Scores [96, 64] are 24 KiB of first-level cache. Wide heads get fewer keys and queries, so that the stack stays
  // under a megabyte up to d = 1024.
  static constexpr Index forward_keys = std::clamp(32768 / padded / lanes * lanes, lanes, Index{96});
  static constexpr Index tile_queries = d > 128 ? 2 * lanes : std::max(tile_columns<Arch>, 2 * lanes);
  static constexpr Index query_groups = tile_queries / lanes;
  static constexpr Index max_tiles = std::clamp(8192 / padded / tile_queries, Index{1}, Index{4});  // share copies of V
  static constexpr Index backward_keys = std::clamp(8192 / padded / lanes * lanes, lanes, Index{96});
  static constexpr Index key_stride = odd_lines(backward_keys);
  // The length of the sums for dk and dv: long enough to hide that their tile is loaded and stored.
  static constexpr Index backward_queries = 48;

  static float scale() { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(d))); }

  /// q, y: `rows` rows, at most max_tiles * tile_queries; log_sum_exp [rows] or null.
  static void forward(Index rows, Index kv_rows, const float* q, const float* k, const float* v, float* y,
                      float* log_sum_exp) {
    QueryTile tile[max_tiles];
    alignas(alignment) float k_block[forward_keys * padded];
    alignas(alignment) float v_block[forward_keys * padded];
    const Index tiles = ceil_div(rows, tile_queries);
    const auto first_row = [](Index t) { return t * tile_queries; };
    const auto rows_in = [&](Index t) { return std::min(tile_queries, rows - first_row(t)); };
    for (Index t = 0; t < tiles; ++t) tile[t].start(rows_in(t), q + first_row(t) * D);
    for (Index first = 0; first < kv_rows; first += forward_keys) {
      const Index keys = std::min(forward_keys, kv_rows - first);
      pad(keys, k + first * kv_stride, kv_stride, k_block);
      pad(keys, v + first * kv_stride, kv_stride, v_block);
      for (Index t = 0; t < tiles; ++t) tile[t].add_keys(rows_in(t), keys, k_block, v_block, first == 0);
    }
    for (Index t = 0; t < tiles; ++t) {
      tile[t].finish(rows_in(t), y + first_row(t) * D, log_sum_exp == nullptr ? nullptr : log_sum_exp + first_row(t));
    }
  }

  /// Overwrites dq, dk and dv. Blocks of keys outside, tiles of queries inside: dk and dv stay on the stack.
  static void backward(Index q_rows, Index kv_rows, const float* q, const float* k, const float* v, const float* y,
                       const float* log_sum_exp, const float* dy, float* dq, float* dk, float* dv) {
    KeyBlock block;
    for (Index first = 0; first < kv_rows; first += backward_keys) {
      const Index keys = std::min(backward_keys, kv_rows - first);
      block.start(keys, k + first * kv_stride, v + first * kv_stride);
      for (Index row = 0; row < q_rows; row += backward_queries) {
        const Index rows = std::min(backward_queries, q_rows - row);
        block.add_queries(rows, keys, q + row * D, y + row * D, log_sum_exp + row, dy + row * D, dq + row * D,
                          first == 0);
      }
      block.finish(keys, dk + first * kv_stride, dv + first * kv_stride);
    }
  }

 private:
  /// y [rows, padded] = x with zeros behind each row.
  static void pad(Index rows, const float* x, Index stride, float* y) {
    for (Index r = 0; r < rows; ++r) {
      for (Index i = 0; i < d; ++i) y[r * padded + i] = x[r * stride + i];
      for (Index i = d; i < groups_d * lanes; ++i) y[r * padded + i] = 0.0F;
    }
  }

  /// y [d, width] = factor * x^T, x: [rows, d]; zeros from `rows` to the next multiple of 16.
  static void transpose_padded(Index rows, const float* x, Index stride, float factor, float* y, Index width) {
    transpose(rows, d, x, stride, factor, y, width);
    for (Index i = 0; i < d; ++i) std::fill(y + i * width + rows, y + i * width + round_up(rows, lanes), 0.0F);
  }

  /// Forward: up to tile_queries queries, which are lanes, so that softmax runs down the lanes and sums in the keys'
  /// order.
  struct QueryTile {
    L maximum[query_groups];
    L total[query_groups];
    alignas(alignment) float q_transposed[d * tile_queries];
    alignas(alignment) float sums[tile_queries * padded];

    void start(Index rows, const float* q) {
      transpose_padded(rows, q, D, scale(), q_transposed, tile_queries);
      for (Index group = 0; group < query_groups; ++group) {
        maximum[group] = L::broadcast(-std::numeric_limits<float>::infinity());
        total[group] = L::broadcast(0.0F);
      }
    }

    void add_keys(Index rows, Index keys, const float* k_block, const float* v_block, bool first) {
      alignas(alignment) float scores[forward_keys * tile_queries];  // [keys, queries]
      alignas(alignment) float rescale[tile_queries];
      const Index groups = ceil_div(rows, lanes);
      multiply<Arch>(keys, groups, d, {k_block, padded, 1}, {q_transposed, tile_queries}, false, scores, tile_queries);
      for (Index group = 0; group < groups; ++group)
        softmax(group, keys, scores + group * lanes).store(rescale + group * lanes);
      if (!first) scale_sums(rows, rescale);
      multiply<Arch>(rows, groups_d, keys, {scores, 1, tile_queries}, {v_block, padded}, !first, sums, padded);
    }

    void finish(Index rows, float* y, float* log_sum_exp) {
      alignas(alignment) float highest[tile_queries];
      alignas(alignment) float sum[tile_queries];
      alignas(alignment) float inverse[tile_queries];
      for (Index group = 0; group < query_groups; ++group) {
        maximum[group].store(highest + group * lanes);
        total[group].store(sum + group * lanes);
        (L::broadcast(1.0F) / total[group]).store(inverse + group * lanes);
      }
      scale_sums(rows, inverse);
      for (Index r = 0; r < rows; ++r) copy_values(sums + r * padded, d, y + r * D);
      for (Index r = 0; log_sum_exp != nullptr && r < rows; ++r) log_sum_exp[r] = highest[r] + portable_log(sum[r]);
    }

   private:
    /// scores = exp(scores - maximum) for 16 queries; returns what earlier sums must be multiplied by.
    L softmax(Index group, Index keys, float* scores) {
      const auto score = [&](Index key) __attribute__((always_inline)) {
        return L::load(scores + key * tile_queries);
      };
      L highest = maximum[group];
      L other = highest;  // a second chain, so that one hides the other's latency
      Index pair = 0;
      for (; pair + 2 <= keys; pair += 2) {
        highest = max(highest, score(pair));
        other = max(other, score(pair + 1));
      }
      if (pair < keys) highest = max(highest, score(pair));
      highest = max(highest, other);
      const L rescale = exp(maximum[group] - highest);
      L sum = total[group] * rescale;
      for (Index key = 0; key < keys; ++key) {
        const L weight = exp(score(key) - highest);
        weight.store(scores + key * tile_queries);
        sum = sum + weight;
      }
      maximum[group] = highest;
      total[group] = sum;
      return rescale;
    }

    void scale_sums(Index rows, const float* factor) {
      for (Index r = 0; r < rows; ++r) {
        const L f = L::broadcast(factor[r]);
        for (Index i = 0; i < d; i += lanes) (L::load(sums + r * padded + i) * f).store(sums + r * padded + i);
      }
    }
  };

  /// Backward: a block of keys, which are lanes.
  struct KeyBlock {
    alignas(alignment) float k_transposed[d * key_stride];  // divided by sqrt(d)
    alignas(alignment) float v_transposed[d * key_stride];
    alignas(alignment) float k_block[backward_keys * padded];
    alignas(alignment) float dk_block[backward_keys * padded];
    alignas(alignment) float dv_block[backward_keys * padded];

    void start(Index keys, const float* k, const float* v) {
      transpose_padded(keys, k, kv_stride, scale(), k_transposed, key_stride);
      transpose_padded(keys, v, kv_stride, 1.0F, v_transposed, key_stride);
      pad(keys, k, kv_stride, k_block);
      std::fill_n(dk_block, keys * padded, 0.0F);
      std::fill_n(dv_block, keys * padded, 0.0F);
    }

    /// With p = exp(q k^T / sqrt(d) - log_sum_exp), dp = dy v^T, delta = sum over i of dy * y, ds = p (dp - delta):
    ///   dv += p^T dy;  dk += ds^T q (divided by sqrt(d) at the end);  dq (+)= ds k / sqrt(d).
    void add_queries(Index rows, Index keys, const float* q, const float* y, const float* log_sum_exp, const float* dy,
                     float* dq, bool first) {
      alignas(alignment) float q_tile[backward_queries * padded];
      alignas(alignment) float dy_tile[backward_queries * padded];
      alignas(alignment) float dq_tile[backward_queries * padded];
      alignas(alignment) float p[backward_queries * key_stride];   // [queries, keys]
      alignas(alignment) float ds[backward_queries * key_stride];  // dp, then ds
      pad(rows, q, D, q_tile);
      pad(rows, dy, D, dy_tile);
      const Index groups = ceil_div(keys, lanes);  // lanes beyond the last key hold numbers that nobody reads
      multiply<Arch>(rows, groups, d, {q_tile, padded, 1}, {k_transposed, key_stride}, false, p, key_stride);
      multiply<Arch>(rows, groups, d, {dy_tile, padded, 1}, {v_transposed, key_stride}, false, ds, key_stride);
      for (Index r = 0; r < rows; ++r) {
        const L normaliser = L::broadcast(log_sum_exp[r]);
        const L delta = L::broadcast(dot(dy_tile + r * padded, y + r * D));
        for (Index at = r * key_stride; at < r * key_stride + groups * lanes; at += lanes) {
          const L weight = exp(L::load(p + at) - normaliser);
          weight.store(p + at);
          (weight * (L::load(ds + at) - delta)).store(ds + at);
        }
      }
      multiply<Arch>(keys, groups_d, rows, {p, 1, key_stride}, {dy_tile, padded}, true, dv_block, padded);
      multiply<Arch>(keys, groups_d, rows, {ds, 1, key_stride}, {q_tile, padded}, true, dk_block, padded);
      multiply<Arch>(rows, groups_d, keys, {ds, key_stride, 1}, {k_block, padded}, false, dq_tile, padded);
      for (Index r = 0; r < rows; ++r) {
        for (Index i = 0; i < d; ++i) {
          const float value = scale() * dq_tile[r * padded + i];
          dq[r * D + i] = first ? value : dq[r * D + i] + value;
        }
      }
    }

    void finish(Index keys, float* dk, float* dv) const {
      for (Index key = 0; key < keys; ++key) {
        for (Index i = 0; i < d; ++i) dk[key * kv_stride + i] = scale() * dk_block[key * padded + i];
        copy_values(dv_block + key * padded, d, dv + key * kv_stride);
      }
    }

   private:
    /// sum of dy * y over d values, sixteen partial sums; dy is padded.
    static float dot(const float* dy, const float* y) {
      L sum = L::broadcast(0.0F);
      for (Index i = 0; i < d; i += lanes) {
        const L values = d - i >= lanes ? L::load(y + i) : L::load_partial(y + i, d - i);
        sum = fma(L::load(dy + i), values, sum);
      }
      return sum.sum();
    }
  };
};

template <class Arch>
struct AttentionOps {
  /// q, y: [batch, q_rows, D]; kv: [batch, kv_rows, 2 D]; log_sum_exp: [batch, heads, q_rows] or empty.
  template <Index D, Index heads>
  static void attention(Shape<D, heads>, Index batch, Index q_rows, Index kv_rows, View<const float> q,
                        View<const float> kv, View<float> y, View<float> log_sum_exp) {
    using Head = HeadAttention<Arch, D, heads>;
    const Index tiles = (q_rows + Head::tile_queries - 1) / Head::tile_queries;
    // Many tiles a task share their copy of V; but even a single image with few heads should make 16 tasks.
    const Index tiles_per_task = std::clamp(batch * heads * tiles / 16, Index{1}, Head::max_tiles);
    const Index tasks = ceil_div(tiles, tiles_per_task);  // for each head of each image
    parallel_for(batch * heads * tasks, [&](Index task) {
      const Index row = task % tasks * tiles_per_task * Head::tile_queries;
      const Index rows = std::min(tiles_per_task * Head::tile_queries, q_rows - row);
      const Index head = task / tasks % heads;
      const Index image = task / (tasks * heads);
      const Index at = (image * q_rows + row) * D + head * Head::d;
      const float* const k = kv.data() + image * kv_rows * 2 * D + head * Head::d;
      float* const statistics =
          log_sum_exp.empty() ? nullptr : log_sum_exp.data() + (image * heads + head) * q_rows + row;
      Head::forward(rows, kv_rows, q.data() + at, k, k + D, y.data() + at, statistics);
    });
  }

  /// Overwrites dq [batch, q_rows, D] and dkv [batch, kv_rows, 2 D]. One task per image and head.
  template <Index D, Index heads>
  static void attention_backward(Shape<D, heads>, Index batch, Index q_rows, Index kv_rows, View<const float> q,
                                 View<const float> kv, View<const float> y, View<const float> log_sum_exp,
                                 View<const float> dy, View<float> dq, View<float> dkv) {
    using Head = HeadAttention<Arch, D, heads>;
    parallel_for(batch * heads, [&](Index task) {
      const Index head = task % heads;
      const Index image = task / heads;
      const Index at = image * q_rows * D + head * Head::d;
      const Index kv_at = image * kv_rows * 2 * D + head * Head::d;
      Head::backward(q_rows, kv_rows, q.data() + at, kv.data() + kv_at, kv.data() + kv_at + D, y.data() + at,
                     log_sum_exp.data() + task * q_rows, dy.data() + at, dq.data() + at, dkv.data() + kv_at,
                     dkv.data() + kv_at + D);
    });
  }
};

}  // namespace tessera::cpu_detail
