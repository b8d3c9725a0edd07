// ids[r] = argmin_k |z[r] - codes[k]|^2 = argmax_k s(r, k), s = z . code - |code|^2 / 2. No [rows, K] matrix exists.
//
// Each s is one chain of fused multiply-adds over C that starts at -|code|^2 / 2, so its bits depend on neither the
// instruction set nor the tile. Sixteen codes stand in the lanes of a panel. Keeping a running maximum costs one
// operation a panel next to C fused multiply-adds; keeping its id and the runner-up as well would cost five. So these
// two are kept once in a group of eight panels, and the few codes of the winning group and lane are computed again.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <tessera/backend/cpu/loops.hpp>
#include <tessera/backend/cpu/micro_kernel.hpp>

namespace tessera::cpu_detail {

template <class Arch>
struct NearestCodeOps {
  using V = Lanes<Arch>;

  template <Index K, Index C>
  static constexpr Index packed_codes_size(Shape<K, C>) {
    return panels<K> * panel_size<C>;
  }

  /// packed [panels, 1 + C, 16]: -|code|^2 / 2, then the values; -infinity and zeros where there is no code.
  template <Index K, Index C>
  static void pack_codes(Shape<K, C>, View<const float> codes, View<float> packed) {
    for (Index k = 0; k < panels<K> * lanes; ++k) {
      float* to = packed.data() + k / lanes * panel_size<C> + k % lanes;
      double squares = 0;
      for (Index i = 0; i < C; ++i) {
        const float value = k < K ? codes[k * C + i] : 0.0F;
        squares += static_cast<double>(value) * static_cast<double>(value);
        to[(i + 1) * lanes] = value;
      }
      to[0] = k < K ? static_cast<float>(-0.5 * squares) : -infinity;
    }
  }

  template <Index K, Index C>
  static void nearest_code(Shape<K, C>, Index rows, View<const float> z, View<const float> packed, View<Token> ids,
                           View<float> margins) {
    const Index tiles = (rows + queries - 1) / queries;
    parallel_for((tiles + tiles_per_task - 1) / tiles_per_task, [&](Index task) {
      const Index first_tile = task * tiles_per_task;
      Tile tile[tiles_per_task];
      const Index count = std::min(tiles_per_task, tiles - first_tile);
      for (Index t = 0; t < count; ++t) {  // rows are divided evenly, so no tile is thin
        tile[t].first = rows * (first_tile + t) / tiles;
        tile[t].count = rows * (first_tile + t + 1) / tiles - tile[t].first;
      }
      for (Index group = 0; group < groups<K>; ++group) {
        for (Index t = 0; t < count; ++t) score_group<K, C>(group, z.data(), packed.data(), tile[t]);
      }
      for (Index t = 0; t < count; ++t) finish<K, C>(tile[t], z.data(), packed.data(), ids, margins);
    });
  }

 private:
  static constexpr float infinity = std::numeric_limits<float>::infinity();
  /// 12 queries x 2 panels: 24 of AVX-512's 32 registers hold scores; AVX2 (12 of 16) and NEON (24 of 32) hold 6 x 1.
  static constexpr Index queries = Lanes<Arch>::parts == 1 ? 12 : 6;
  static constexpr Index panels_at_once = Lanes<Arch>::parts == 1 ? 2 : 1;
  static constexpr Index group_panels = 8;
  /// Tiles that pass over a group while its codes are in cache.
  static constexpr Index tiles_per_task = 48 / queries;

  template <Index K>
  static constexpr Index panels = ((K + lanes - 1) / lanes + panels_at_once - 1) / panels_at_once * panels_at_once;
  template <Index K>
  static constexpr Index groups = (panels<K> + group_panels - 1) / group_panels;
  template <Index C>
  static constexpr Index panel_size = (1 + C) * lanes;

  /// What a lane has seen of one query: its highest score, the group where it first was, and the highest score of the
  /// other groups.
  struct Running {
    V best = V::broadcast(-infinity);
    V second = V::broadcast(-infinity);
    V group = V::broadcast(0.0F);
  };
  struct Tile {
    Index first = 0;  // row of z
    Index count = 0;
    Running running[queries];
  };

  template <Index K, Index C>
  static void score_group(Index group, const float* z, const float* packed, Tile& tile) {
    using Kernel = void (*)(Index, const float*, const float*, float*);
    static constexpr auto kernels = []<std::size_t... i>(std::index_sequence<i...>) {
      return std::array<Kernel, sizeof...(i)>{&score_panels<C, static_cast<Index>(i) + 1>...};
    }(std::make_index_sequence<static_cast<std::size_t>(queries)>{});

    alignas(64) float highest[queries * lanes];
    const Index first = group * group_panels;
    kernels[static_cast<std::size_t>(tile.count - 1)](std::min(group_panels, panels<K> - first), z + tile.first * C,
                                                      packed + first * panel_size<C>, highest);
    for (Index q = 0; q < tile.count; ++q) update(tile.running[q], V::load(highest + q * lanes), group);
  }

  /// highest [count, 16] = the highest of the panels' scores, lane by lane, for z [count, C].
  template <Index C, Index count>
  [[gnu::noinline]] static void score_panels(Index panels, const float* z, const float* packed, float* highest) {
    for (Index q = 0; q < count; ++q) V::broadcast(-infinity).store(highest + q * lanes);
    for (Index p = 0; p < panels; p += panels_at_once, packed += panels_at_once * panel_size<C>) {
      V score[count][panels_at_once];
      unroll<count>([&](auto q) __attribute__((always_inline)) {
        unroll<panels_at_once>([&](auto n) __attribute__((always_inline)) {
          score[q][n] = V::load(packed + static_cast<Index>(n) * panel_size<C>);
        });
      });
      for (Index i = 0; i < C; ++i) {
        V code[panels_at_once];
        unroll<panels_at_once>([&](auto n) __attribute__((always_inline)) {
          code[n] = V::load(packed + static_cast<Index>(n) * panel_size<C> + (1 + i) * lanes);
        });
        unroll<count>([&](auto q) __attribute__((always_inline)) {
          const V value = V::broadcast(z[static_cast<Index>(q) * C + i]);
          unroll<panels_at_once>([&](auto n) __attribute__((always_inline)) {
            score[q][n] = fma(value, code[n], score[q][n]);
          });
        });
      }
      unroll<count>([&](auto q) __attribute__((always_inline)) {
        V most = score[q][0];
        if constexpr (panels_at_once == 2) most = max(most, score[q][1]);
        float* to = highest + static_cast<Index>(q) * lanes;
        max(V::load(to), most).store(to);
      });
    }
  }

  [[gnu::always_inline]] static void update(Running& running, const V& score, Index group) {
    using Batch = typename V::Batch;
    const V number = V::broadcast(static_cast<float>(group));  // exact: below 2^24 groups
    running.group = V::map(
        [](Batch now, Batch best, Batch here, Batch before) { return Batch(xsimd::select(now > best, here, before)); },
        score, running.best, number, running.group);
    running.second = max(running.second, min(running.best, score));
    running.best = max(running.best, score);
  }

  template <Index K, Index C>
  static void finish(const Tile& tile, const float* z, const float* packed, View<Token> ids, View<float> margins) {
    for (Index q = 0; q < tile.count; ++q) {
      const Index row = tile.first + q;
      float difference = 0.0F;
      ids[row] = nearest<K, C>(tile.running[q], z + row * C, packed, difference);
      if (!margins.empty()) margins[row] = difference;
    }
  }

  /// The lowest id whose score is the highest one, and twice the distance of its score to the runner-up's.
  template <Index K, Index C>
  static Token nearest(const Running& running, const float* z, const float* packed, float& margin) {
    alignas(64) float best[lanes];
    alignas(64) float second[lanes];
    alignas(64) float group[lanes];
    running.best.store(best);
    running.second.store(second);
    running.group.store(group);
    const float highest = *std::max_element(best, best + lanes);
    Index id = K;
    float runner_up = -infinity;
    for (Index lane = 0; lane < lanes; ++lane) {
      runner_up = std::max(runner_up, second[lane]);
      if (best[lane] != highest) {
        runner_up = std::max(runner_up, best[lane]);
        continue;
      }
      const Index first_panel = static_cast<Index>(group[lane]) * group_panels;
      for (Index p = first_panel; p < std::min(first_panel + group_panels, panels<K>); ++p) {
        const Index k = p * lanes + lane;
        if (k >= K) break;
        const float score = score_code<C>(z, packed + p * panel_size<C> + lane);
        if (score != highest) {
          runner_up = std::max(runner_up, score);
        } else {
          if (id < K) runner_up = highest;  // a tie
          id = std::min(id, k);
        }
      }
    }
    margin = 2.0F * (highest - runner_up);
    return id < K ? static_cast<Token>(id) : 0;  // 0 where z holds a NaN
  }

  /// One lane of score_panels, with the same bits.
  template <Index C>
  static float score_code(const float* z, const float* lane) {
    float score = lane[0];
    for (Index i = 0; i < C; ++i) score = std::fma(z[i], lane[(1 + i) * lanes], score);
    return score;
  }
};

}  // namespace tessera::cpu_detail
