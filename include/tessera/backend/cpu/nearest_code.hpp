// ids[r] = argmin_k |z[r] - codes[k]|^2 = argmax_k s(r, k), s = z . code - |code|^2 / 2. No [rows, K] matrix exists.
//
// Each s is one chain of fused multiply-adds over C that starts at -|code|^2 / 2, so its bits depend on neither the
// instruction set nor the tile. Sixteen codes stand in the lanes of a panel, sixteen panels are a group. The maximum of
// a group costs one operation a panel next to C fused multiply-adds; its id and the runner-up would cost five. So these
// two are kept from group to group alone, and at the end the sixteen codes of the winning group and lane are computed
// again, from a second copy of the codes where they stand side by side.
#pragma once

#include <algorithm>
#include <array>
#include <limits>

#include <tessera/backend/cpu/loops.hpp>
#include <tessera/backend/cpu/micro_kernel.hpp>

namespace tessera::cpu_detail {

template <class Arch>
struct NearestCodeOps {
  using V = Lanes<Arch>;

  template <Index K, Index C>
  static constexpr Index packed_codes_size(Shape<K, C>) {
    return groups<K> * group_size<C>;
  }

  /// packed [groups, 2, 16, 1 + C, 16]: in front of each code's values -|code|^2 / 2; -infinity and zeros where there is
  /// no code. Code (16 p + l) of a group is lane l of the first copy's panel p and lane p of the second's panel l.
  template <Index K, Index C>
  static void pack_codes(Shape<K, C>, View<const float> codes, View<float> packed) {
    for (Index k = 0; k < groups<K> * group_codes; ++k) {
      float* group = packed.data() + k / group_codes * group_size<C>;
      const Index p = k % group_codes / lanes;
      const Index lane = k % lanes;
      const auto put = [&](Index i, float value) {
        group[p * panel_size<C> + i * lanes + lane] = value;
        group[(lanes + lane) * panel_size<C> + i * lanes + p] = value;
      };
      double squares = 0;
      for (Index i = 0; i < C; ++i) {
        const float value = k < K ? codes[k * C + i] : 0.0F;
        squares += static_cast<double>(value) * static_cast<double>(value);
        put(1 + i, value);
      }
      put(0, k < K ? static_cast<float>(-0.5 * squares) : -infinity);
    }
  }

  /// A row that holds a NaN gets some id in [0, K).
  template <Index K, Index C>
  static void nearest_code(Shape<K, C>, Index rows, View<const float> z, View<const float> packed, View<Token> ids,
                           View<float> margins) {
    const Index tiles = (rows + queries - 1) / queries;
    parallel_for((tiles + tiles_per_task - 1) / tiles_per_task, [&](Index task) {
      Tile tile[tiles_per_task];
      const Index first = task * tiles_per_task;
      const Index count = std::min(tiles_per_task, tiles - first);
      for (Index t = 0; t < count; ++t) {  // rows are divided evenly, so no tile is thin
        tile[t].first = rows * (first + t) / tiles;
        tile[t].count = rows * (first + t + 1) / tiles - tile[t].first;
        std::fill_n(tile[t].running.best, queries * lanes, -infinity);
        std::fill_n(tile[t].running.second, queries * lanes, -infinity);
        std::fill_n(tile[t].running.key, queries * lanes, 0.0F);
      }
      for (Index group = 0; group < groups<K>; ++group) {
        score_group<K, C>(group, z.data(), packed.data(), tile, count);
      }
      for (Index t = 0; t < count; ++t) finish<K, C>(tile[t], z.data(), packed.data(), ids, margins);
    });
  }

 private:
  static constexpr float infinity = std::numeric_limits<float>::infinity();
  /// 6 queries x 4 panels: 24 of AVX-512's 32 registers hold scores (12 x 2 visit the running maxima twice as often:
  /// 82% of the FMA peak in place of 90% at C = 12). AVX2 (12 of 16) and NEON (24 of 32) hold 6 x 1.
  static constexpr Index queries = 6;
  static constexpr Index panels_at_once = V::parts == 1 ? 4 : 1;
  static constexpr Index group_codes = lanes * lanes;
  /// Tiles that pass over codes while these are in cache.
  static constexpr Index tiles_per_task = 48 / queries;

  template <Index K>
  static constexpr Index groups = (K + group_codes - 1) / group_codes;
  template <Index C>
  static constexpr Index panel_size = (1 + C) * lanes;
  template <Index C>
  static constexpr Index group_size = 2 * lanes * panel_size<C>;
  /// Panels that one tile passes over before the next tile does: 16 KiB, half of the first-level cache, or a few more.
  template <Index C>
  static constexpr Index block_panels = std::clamp(256 / (1 + C) / panels_at_once * panels_at_once, panels_at_once, lanes);

  /// For each query and lane: the highest score, the highest score of any other group (or, of another lane, while lanes
  /// are joined), and 16 * group + lane of the highest. Floats hold these numbers exactly, below 2^24.
  template <Index stride>
  struct Running {
    alignas(64) float best[queries * stride];
    alignas(64) float second[queries * stride];
    alignas(64) float key[queries * stride];
  };
  struct Tile {
    Index first = 0;  // row of z
    Index count = 0;
    Running<lanes> running;
  };

  template <Index K, Index C>
  static void score_group(Index group, const float* z, const float* packed, Tile* tile, Index tiles) {
    using Kernel = void (*)(Index, const float*, const float*, float*);
    static constexpr auto kernels = []<std::size_t... i>(std::index_sequence<i...>) {
      return std::array<Kernel, sizeof...(i)>{&score_panels<C, static_cast<Index>(i) + 1>...};
    }(std::make_index_sequence<static_cast<std::size_t>(queries)>{});

    alignas(64) float highest[tiles_per_task][queries * lanes];
    std::fill_n(highest[0], tiles_per_task * queries * lanes, -infinity);
    const Index codes = std::min(group_codes, K - group * group_codes);
    const Index panels = (codes + panels_at_once * lanes - 1) / (panels_at_once * lanes) * panels_at_once;
    for (Index p = 0; p < panels; p += block_panels<C>) {
      for (Index t = 0; t < tiles; ++t) {
        kernels[static_cast<std::size_t>(tile[t].count - 1)](
            std::min(block_panels<C>, panels - p), z + tile[t].first * C,
            packed + group * group_size<C> + p * panel_size<C>, highest[t]);
      }
    }
    for (Index t = 0; t < tiles; ++t) {
      for (Index q = 0; q < tile[t].count; ++q) {
        const V key = V::load(lane_numbers.data()) + V::broadcast(static_cast<float>(group * lanes));
        update(tile[t].running, q * lanes, V::load(highest[t] + q * lanes), key);
      }
    }
  }

  /// highest [count, 16] = the highest of itself and the panels' scores, lane by lane, for z [count, C].
  template <Index C, Index count>
  [[gnu::noinline]] static void score_panels(Index panels, const float* z, const float* packed, float* highest) {
    for (Index p = 0; p < panels; p += panels_at_once, packed += panels_at_once * panel_size<C>) {
      // Else compilers keep all broadcasts of z, and highest, from step to step, in registers that they do not have.
      __asm__("" : "+r"(z) : : "memory");
      score_step<C, count>(z, packed, highest);
    }
  }

  /// score_panels for panels_at_once panels.
  template <Index C, Index count>
  [[gnu::always_inline]] static void score_step(const float* z, const float* packed, float* highest) {
    using Batch = typename V::Batch;
    constexpr Index parts = V::parts;
    constexpr Index vectors = panels_at_once * parts;
    // vector v of a row of the panels: part v % parts of panel v / parts
    const auto load = [&](Index row, Index v) __attribute__((always_inline)) {
      return Batch::load_unaligned(packed + v / parts * panel_size<C> + row * lanes + v % parts * V::width);
    };
    Batch score[count][vectors];
    const auto add = [&](Index i, const auto& sum) __attribute__((always_inline)) {
      Batch values[vectors];
      unroll<vectors>([&](auto v) __attribute__((always_inline)) { values[v] = load(1 + i, v); });
      unroll<count>([&](auto q) __attribute__((always_inline)) {
        const Batch query(z[static_cast<Index>(q) * C + i]);
        unroll<vectors>([&](auto v) __attribute__((always_inline)) {
          score[q][v] = fused(query, values[v], sum(q, v));
        });
      });
    };
    Batch start[vectors];
    unroll<vectors>([&](auto v) __attribute__((always_inline)) { start[v] = load(0, v); });
    add(0, [&](auto, auto v) __attribute__((always_inline)) { return start[v]; });
    const auto sum = [&](auto q, auto v) __attribute__((always_inline)) { return score[q][v]; };
    for (Index i = 1; i < C; ++i) add(i, sum);
    unroll<count>([&](auto q) __attribute__((always_inline)) {
      unroll<parts>([&](auto part) __attribute__((always_inline)) {
        Batch most = score[q][part];
        unroll<panels_at_once - 1>([&](auto p) __attribute__((always_inline)) {
          most = larger(most, score[q][(p + 1) * parts + part]);
        });
        float* to = highest + static_cast<Index>(q) * lanes + static_cast<Index>(part) * V::width;
        larger(Batch::load_unaligned(to), most).store_unaligned(to);
      });
    });
  }

  [[gnu::always_inline]] static void update(Running<lanes>& running, Index at, const V& score, const V& key) {
    const V best = V::load(running.best + at);
    const V second = V::load(running.second + at);
    larger_key(score, best, key, V::load(running.key + at)).store(running.key + at);
    max(second, min(best, score)).store(running.second + at);
    max(best, score).store(running.best + at);
  }

  /// key_a where a > b, else key_b.
  [[gnu::always_inline]] static V larger_key(const V& a, const V& b, const V& key_a, const V& key_b) {
    using Batch = typename V::Batch;
    return V::map([](Batch x, Batch y, Batch of_x, Batch of_y) { return Batch(xsimd::select(x > y, of_x, of_y)); }, a, b,
                  key_a, key_b);
  }

  /// Joins lanes [half, 2 half) to lanes [0, half) of every query; the other lanes then hold nothing of use.
  template <Index from_stride, Index stride>
  static void join_lanes(Index count, Index half, const Running<from_stride>& from, Running<stride>& to) {
    for (Index q = 0; q < count; ++q) {
      const auto at = [&](const float* values, Index lane) { return V::load(values + q * from_stride + lane); };
      const V a = at(from.best, 0);
      const V b = at(from.best, half);
      larger_key(b, a, at(from.key, half), at(from.key, 0)).store(to.key + q * stride);
      max(max(at(from.second, 0), at(from.second, half)), min(a, b)).store(to.second + q * stride);
      max(a, b).store(to.best + q * stride);
    }
  }
  static void join_all_lanes(Index count, Running<2 * lanes>& lane_values) {
    for (Index half = lanes / 2; half > 0; half /= 2) join_lanes(count, half, lane_values, lane_values);
  }

  /// Lanes are joined for all queries of the tile at once: one query's steps wait for one another.
  template <Index K, Index C>
  static void finish(const Tile& tile, const float* z, const float* packed, View<Token> ids, View<float> margins) {
    Running<2 * lanes> joined{};
    for (Index q = 0; q < tile.count; ++q) {
      V::load(tile.running.best + q * lanes).store(joined.best + q * 2 * lanes);
      V::load(tile.running.second + q * lanes).store(joined.second + q * 2 * lanes);
      V::load(tile.running.key + q * lanes).store(joined.key + q * 2 * lanes);
    }
    join_all_lanes(tile.count, joined);

    Nearest nearest[queries];
    for (Index q = 0; q < tile.count; ++q) {
      const Index at = q * 2 * lanes;
      const Index key = static_cast<Index>(joined.key[at]);
      nearest[q] = {key / lanes * group_codes + key % lanes, joined.best[at], joined.second[at]};
      score_codes<C>(z + (tile.first + q) * C, lane_codes<C>(packed, key)).store(joined.best + at);
      V::broadcast(-infinity).store(joined.second + at);
      V::load(lane_numbers.data()).store(joined.key + at);
    }
    join_all_lanes(tile.count, joined);

    for (Index q = 0; q < tile.count; ++q) {
      const Index at = q * 2 * lanes;
      nearest[q].id += static_cast<Index>(joined.key[at]) * lanes;
      nearest[q].runner_up = std::max(nearest[q].runner_up, joined.second[at]);
      const Index row = tile.first + q;
      if (nearest[q].runner_up == nearest[q].score) {
        nearest[q].id = lowest_id<C>(tile.running, q, nearest[q].score, z + row * C, packed);
      }
      ids[row] = nearest[q].id < K ? static_cast<Token>(nearest[q].id) : 0;
      if (!margins.empty()) margins[row] = 2.0F * (nearest[q].score - nearest[q].runner_up);
    }
  }
  struct Nearest {
    Index id;
    float score;
    float runner_up;
  };

  /// The lowest of the ids that share the highest score.
  template <Index C>
  static Index lowest_id(const Running<lanes>& running, Index q, float score, const float* z, const float* packed) {
    Index lowest = std::numeric_limits<Index>::max();
    for (Index lane = 0; lane < lanes; ++lane) {
      if (running.best[q * lanes + lane] != score) continue;
      const Index key = static_cast<Index>(running.key[q * lanes + lane]);
      alignas(64) float scores[lanes];
      score_codes<C>(z, lane_codes<C>(packed, key)).store(scores);
      const Index panel = std::find(scores, scores + lanes, score) - scores;
      lowest = std::min(lowest, key / lanes * group_codes + panel * lanes + key % lanes);
    }
    return lowest;
  }

  /// The panel of the sixteen codes that one lane of one group has seen.
  template <Index C>
  static const float* lane_codes(const float* packed, Index key) {
    return packed + key / lanes * group_size<C> + (lanes + key % lanes) * panel_size<C>;
  }

  /// The scores of the sixteen codes of one panel, with the bits of score_step.
  template <Index C>
  [[gnu::always_inline]] static V score_codes(const float* z, const float* panel) {
    V scores = V::load(panel);
    for (Index i = 0; i < C; ++i) scores = fma(V::broadcast(z[i]), V::load(panel + (1 + i) * lanes), scores);
    return scores;
  }

  alignas(64) static constexpr std::array<float, lanes> lane_numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
};

}  // namespace tessera::cpu_detail
