// y = softmax(q k^T / sqrt(d)) v by heads, and its gradients, without ever holding more than a tile of scores: the
// online softmax of Milakov and Gimelshein 2018 (arXiv:1805.02867), tiled as by Dao et al. 2022 (arXiv:2205.14135).
//
// Every number is a chain of fused multiply-adds in ascending order (over d for a score, over queries or keys for the
// rest), and no sum but `delta` runs across lanes. Key blocks have a constant size and start at multiples of it. So no
// bit depends on the batch, on threads, on the register width, or on where tiles of queries begin.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include <tessera/backend/cpu/lanes.hpp>
#include <tessera/backend/cpu/micro_kernel.hpp>
#include <tessera/backend/cpu/vector_math.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/core/types.hpp>

namespace tessera::cpu_detail {

/// log(x) for x >= 1, the same bits on every machine: twice the artanh series of (f - 1) / (f + 1), x = 2^e f.
inline float portable_log(float x) {
  int exponent = 0;
  double f = std::frexp(static_cast<double>(x), &exponent);  // [0.5, 1)
  if (f < 0.70710678118654752) {
    f *= 2.0;
    --exponent;
  }
  const double s = (f - 1.0) / (f + 1.0);  // |s| < 0.172
  const double s2 = s * s;
  double series = 0.0;
  for (int n = 15; n >= 1; n -= 2) series = series * s2 + 1.0 / n;
  return static_cast<float>(2.0 * s * series + exponent * 0.69314718055994531);
}

constexpr Index round_up(Index n, Index multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

/// c [rows, 16 * groups] = (accumulate ? c : 0) + A B, tile by tile; rows are divided evenly over the tiles.
template <class Arch>
void multiply(Index rows, Index groups, Index depth, LeftOperand a, RightOperand b, bool accumulate, float* c,
              Index c_stride) {
  const Index tiles = (rows + tile_rows<Arch> - 1) / tile_rows<Arch>;
  for (Index column = 0; column < groups * lanes; column += tile_columns<Arch>) {
    const Index columns = std::min(tile_columns<Arch>, groups * lanes - column);
    for (Index t = 0; t < tiles; ++t) {
      const Index first = t * rows / tiles;
      const Index last = (t + 1) * rows / tiles;
      multiply_tile<Arch>(last - first, columns, depth, {a.data + first * a.row_stride, a.row_stride, a.k_stride},
                          {b.data + column, b.k_stride}, accumulate, c + first * c_stride + column, c_stride);
    }
  }
}

/// One head. d: its width; stride constants are those of the whole rows.
template <class Arch, Index D, Index heads>
struct HeadAttention {
  static_assert(D > 0 && heads > 0 && D % heads == 0, "attention: the width must be a multiple of the heads.");

  using L = Lanes<Arch>;
  static constexpr Index d = D / heads;
  static constexpr Index padded = round_up(d, lanes);  // row length of every tile on the stack
  static constexpr Index kv_stride = 2 * D;
  static constexpr Index forward_keys = 192;    // scores [192, 32] and a panel of V fit the first-level cache
  static constexpr Index forward_queries = 32;  // two Lanes
  // 128 keys amortise the transposition; wide heads get fewer so that all tiles stay under half a megabyte of stack.
  static constexpr Index backward_keys = std::clamp(round_up(8192 / padded, lanes), lanes, Index{128});
  static constexpr Index backward_queries =
      48;  // the length of the sums for dk and dv: long enough to hide load and store

  static float scale() { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(d))); }

  /// y[i, j] = factor * x[j, i] for j < rows, zero for rows <= j < width. x: row stride `stride`; y [d, width].
  static void transpose(Index rows, const float* x, Index stride, float factor, float* y, Index width) {
    for (Index i = 0; i < d; ++i) {
      for (Index j = 0; j < rows; ++j) y[i * width + j] = factor * x[j * stride + i];
      for (Index j = rows; j < width; ++j) y[i * width + j] = 0.0F;
    }
  }

  /// y [rows, padded] = x with zeros behind each row.
  static void pad(Index rows, const float* x, Index stride, float* y) {
    for (Index r = 0; r < rows; ++r) {
      std::copy_n(x + r * stride, d, y + r * padded);
      std::fill(y + r * padded + d, y + (r + 1) * padded, 0.0F);
    }
  }

  /// Up to `queries` rows of q and y. q, y: row stride D; k, v: row stride 2 D; log_sum_exp [rows] or null.
  template <Index queries>
  static void forward(Index rows, Index kv_rows, const float* q, const float* k, const float* v, float* y,
                      float* log_sum_exp) {
    constexpr Index columns = queries / lanes;
    alignas(64) float q_transposed[d * queries];
    alignas(64) float scores[forward_keys * queries];  // [keys, queries]: softmax runs down the lanes
    alignas(64) float sums[queries * padded];          // [queries, padded]
    alignas(64) float factor[queries];
    transpose(rows, q, D, scale(), q_transposed, queries);

    L maximum[columns];
    L total[columns];
    for (Index c = 0; c < columns; ++c) {
      maximum[c] = L::broadcast(-std::numeric_limits<float>::infinity());
      total[c] = L::broadcast(0.0F);
    }
    for (Index first = 0; first < kv_rows; first += forward_keys) {
      const Index keys = std::min(forward_keys, kv_rows - first);
      multiply<Arch>(keys, columns, d, {k + first * kv_stride, kv_stride, 1}, {q_transposed, queries}, false, scores,
                     queries);
      for (Index c = 0; c < columns; ++c) {
        const float* const block = scores + c * lanes;
        L highest = maximum[c];
        for (Index key = 0; key < keys; ++key) highest = max(highest, L::load(block + key * queries));
        if (first > 0) {
          const L rescale = exp(maximum[c] - highest);
          rescale.store(factor + c * lanes);
          total[c] = total[c] * rescale;
        }
        maximum[c] = highest;
        L sum = total[c];
        for (Index key = 0; key < keys; ++key) {
          const L p = exp(L::load(block + key * queries) - highest);
          p.store(scores + c * lanes + key * queries);
          sum = sum + p;
        }
        total[c] = sum;
      }
      if (first > 0) scale_rows(rows, factor, sums);
      add_values(rows, keys, scores, queries, v + first * kv_stride, sums, first > 0);
    }
    for (Index c = 0; c < columns; ++c) (L::broadcast(1.0F) / total[c]).store(factor + c * lanes);
    scale_rows(rows, factor, sums);
    for (Index r = 0; r < rows; ++r) std::copy_n(sums + r * padded, d, y + r * D);
    if (log_sum_exp == nullptr) return;
    alignas(64) float statistics[2][queries];
    for (Index c = 0; c < columns; ++c) {
      maximum[c].store(statistics[0] + c * lanes);
      total[c].store(statistics[1] + c * lanes);
    }
    for (Index r = 0; r < rows; ++r) log_sum_exp[r] = statistics[0][r] + portable_log(statistics[1][r]);
  }

  /// Overwrites dq [q_rows, stride D] and dkv (k's part, v's part: stride 2 D) of one head.
  static void backward(Index q_rows, Index kv_rows, const float* q, const float* k, const float* v, const float* y,
                       const float* log_sum_exp, const float* dy, float* dq, float* dk, float* dv) {
    alignas(64) float k_transposed[d * backward_keys];
    alignas(64) float v_transposed[d * backward_keys];
    alignas(64) float k_tile[backward_keys * padded];
    alignas(64) float dk_tile[backward_keys * padded];
    alignas(64) float dv_tile[backward_keys * padded];
    for (Index first = 0; first < kv_rows; first += backward_keys) {
      const Index keys = std::min(backward_keys, kv_rows - first);
      transpose(keys, k + first * kv_stride, kv_stride, scale(), k_transposed, backward_keys);
      transpose(keys, v + first * kv_stride, kv_stride, 1.0F, v_transposed, backward_keys);
      pad(keys, k + first * kv_stride, kv_stride, k_tile);
      std::fill_n(dk_tile, keys * padded, 0.0F);
      std::fill_n(dv_tile, keys * padded, 0.0F);
      for (Index row = 0; row < q_rows; row += backward_queries) {
        const Index rows = std::min(backward_queries, q_rows - row);
        backward_tile(rows, keys, q + row * D, y + row * D, log_sum_exp + row, dy + row * D, k_transposed, v_transposed,
                      k_tile, dk_tile, dv_tile, dq + row * D, first > 0);
      }
      for (Index key = 0; key < keys; ++key) {
        float* const dk_row = dk + (first + key) * kv_stride;
        for (Index i = 0; i < d; ++i) dk_row[i] = scale() * dk_tile[key * padded + i];
        std::copy_n(dv_tile + key * padded, d, dv + (first + key) * kv_stride);
      }
    }
  }

 private:
  static void scale_rows(Index rows, const float* factor, float* x) {
    for (Index r = 0; r < rows; ++r) {
      const L f = L::broadcast(factor[r]);
      for (Index i = 0; i < padded; i += lanes) (L::load(x + r * padded + i) * f).store(x + r * padded + i);
    }
  }

  /// sums[query, i] += sum over keys of weights[key, query] * v[key, i].
  static void add_values(Index rows, Index keys, const float* weights, Index queries, const float* v, float* sums,
                         bool add) {
    if constexpr (padded == d) {
      multiply<Arch>(rows, padded / lanes, keys, {weights, 1, queries}, {v, kv_stride}, add, sums, padded);
    } else {  // whole vectors would read beyond the row, and at the end beyond the buffer
      alignas(64) float v_tile[forward_keys * padded];
      pad(keys, v, kv_stride, v_tile);
      multiply<Arch>(rows, padded / lanes, keys, {weights, 1, queries}, {v_tile, padded}, add, sums, padded);
    }
  }

  /// With p = exp(q k^T / sqrt(d) - log_sum_exp), dp = dy v^T, delta = sum over i of dy * y, ds = p (dp - delta):
  ///   dv += p^T dy;  dk += ds^T q (unscaled);  dq (+)= ds k / sqrt(d).
  static void backward_tile(Index rows, Index keys, const float* q, const float* y, const float* log_sum_exp,
                            const float* dy, const float* k_transposed, const float* v_transposed, const float* k_tile,
                            float* dk_tile, float* dv_tile, float* dq, bool add) {
    alignas(64) float q_tile[backward_queries * padded];
    alignas(64) float dy_tile[backward_queries * padded];
    alignas(64) float dq_tile[backward_queries * padded];
    alignas(64) float p[backward_queries * backward_keys];   // [queries, keys]
    alignas(64) float ds[backward_queries * backward_keys];  // dp, then ds
    pad(rows, q, D, q_tile);
    pad(rows, dy, D, dy_tile);
    const Index columns = (keys + lanes - 1) / lanes;  // lanes beyond the last key hold numbers that nobody reads
    multiply<Arch>(rows, columns, d, {q_tile, padded, 1}, {k_transposed, backward_keys}, false, p, backward_keys);
    multiply<Arch>(rows, columns, d, {dy_tile, padded, 1}, {v_transposed, backward_keys}, false, ds, backward_keys);
    for (Index r = 0; r < rows; ++r) {
      const L normaliser = L::broadcast(log_sum_exp[r]);
      const L delta = L::broadcast(dot(dy_tile + r * padded, y + r * D));
      for (Index key = r * backward_keys; key < r * backward_keys + columns * lanes; key += lanes) {
        const L weight = exp(L::load(p + key) - normaliser);
        weight.store(p + key);
        (weight * (L::load(ds + key) - delta)).store(ds + key);
      }
    }
    constexpr Index width = padded / lanes;
    multiply<Arch>(keys, width, rows, {p, 1, backward_keys}, {dy_tile, padded}, true, dv_tile, padded);
    multiply<Arch>(keys, width, rows, {ds, 1, backward_keys}, {q_tile, padded}, true, dk_tile, padded);
    multiply<Arch>(rows, width, keys, {ds, backward_keys, 1}, {k_tile, padded}, false, dq_tile, padded);
    for (Index r = 0; r < rows; ++r) {
      for (Index i = 0; i < d; ++i) {
        const float value = scale() * dq_tile[r * padded + i];
        dq[r * D + i] = add ? dq[r * D + i] + value : value;
      }
    }
  }

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

template <class Arch>
struct AttentionOps {
  /// q, y: [batch, q_rows, D]; kv: [batch, kv_rows, 2 D]; log_sum_exp: [batch, heads, q_rows] or empty. One task per
  /// head and 32 queries, so that a single image keeps several threads busy.
  template <Index D, Index heads>
  static void attention(Shape<D, heads>, Index batch, Index q_rows, Index kv_rows, View<const float> q,
                        View<const float> kv, View<float> y, View<float> log_sum_exp) {
    using Head = HeadAttention<Arch, D, heads>;
    constexpr Index queries = Head::forward_queries;
    const Index tiles = (q_rows + queries - 1) / queries;
    parallel_for(batch * heads * tiles, [&](Index task) {
      const Index row = task % tiles * queries;
      const Index head = task / tiles % heads;
      const Index image = task / (tiles * heads);
      const Index rows = std::min(queries, q_rows - row);
      const Index offset = (image * q_rows + row) * D + head * Head::d;
      const float* const k = kv.data() + image * kv_rows * 2 * D + head * Head::d;
      float* const statistics =
          log_sum_exp.empty() ? nullptr : log_sum_exp.data() + (image * heads + head) * q_rows + row;
      if (rows > lanes) {
        Head::template forward<queries>(rows, kv_rows, q.data() + offset, k, k + D, y.data() + offset, statistics);
      } else {
        Head::template forward<lanes>(rows, kv_rows, q.data() + offset, k, k + D, y.data() + offset, statistics);
      }
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
