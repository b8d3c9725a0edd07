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
#include <bit>
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
      }
      for (Index group = 0; group < groups<K>; ++group) {
        score_group<K, C>(group, z.data(), packed.data(), tile, count);
      }
      for (Index t = 0; t < count; ++t) {
        for (Index q = 0; q < tile[t].count; ++q) {
          const Index row = tile[t].first + q;
          const Nearest nearest = finish<C>(tile[t].running[q], z.data() + row * C, packed.data());
          ids[row] = nearest.id < K ? static_cast<Token>(nearest.id) : 0;
          if (!margins.empty()) margins[row] = 2.0F * (nearest.score - nearest.runner_up);
        }
      }
    });
  }

 private:
  static constexpr float infinity = std::numeric_limits<float>::infinity();
  /// 12 queries x 2 panels: 24 of AVX-512's 32 registers hold scores; AVX2 (12 of 16) and NEON (24 of 32) hold 6 x 1.
  static constexpr Index queries = V::parts == 1 ? 12 : 6;
  static constexpr Index panels_at_once = V::parts == 1 ? 2 : 1;
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
  static constexpr Index block_panels = std::clamp(256 / (1 + C) / 2 * 2, panels_at_once, lanes);

  /// What each lane has seen of one query: its highest score, the group where that was first, and the highest score of
  /// any other group.
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
      for (Index q = 0; q < tile[t].count; ++q) update(tile[t].running[q], V::load(highest[t] + q * lanes), group);
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
        if constexpr (panels_at_once == 2) most = larger(most, score[q][part + parts]);
        float* to = highest + static_cast<Index>(q) * lanes + static_cast<Index>(part) * V::width;
        larger(Batch::load_unaligned(to), most).store_unaligned(to);
      });
    });
  }

  [[gnu::always_inline]] static void update(Running& running, const V& score, Index group) {
    using Batch = typename V::Batch;
    const V number = V::broadcast(static_cast<float>(group));  // exact: ids have 31 bits, groups 23
    running.group = V::map(
        [](Batch now, Batch best, Batch here, Batch before) { return Batch(xsimd::select(now > best, here, before)); },
        score, running.best, number, running.group);
    running.second = max(running.second, min(running.best, score));
    running.best = max(running.best, score);
  }

  struct Nearest {
    Index id;  // the lowest whose score is the highest
    float score;
    float runner_up;
  };

  template <Index C>
  static Nearest finish(const Running& running, const float* z, const float* packed) {
    alignas(64) float group[lanes];
    running.group.store(group);
    const TopTwo lanes_top = top_two(running.best, running.second);
    Nearest nearest{std::numeric_limits<Index>::max(), lanes_top.first, lanes_top.second};
    for (std::uint32_t left = equal_lanes(running.best, lanes_top.first); left != 0; left &= left - 1) {
      const Index lane = std::countr_zero(left);
      const Index g = static_cast<Index>(group[lane]);
      const V scores = score_codes<C>(z, packed + g * group_size<C> + (lanes + lane) * panel_size<C>);
      nearest.runner_up = std::max(nearest.runner_up, top_two(scores, V::broadcast(-infinity)).second);
      const Index panel = std::countr_zero(equal_lanes(scores, nearest.score));
      nearest.id = std::min(nearest.id, g * group_codes + panel * lanes + lane);
    }
    return nearest;
  }

  /// The scores of the sixteen codes of one panel, with the bits of score_step.
  template <Index C>
  static V score_codes(const float* z, const float* panel) {
    V scores = V::load(panel);
    for (Index i = 0; i < C; ++i) scores = fma(V::broadcast(z[i]), V::load(panel + (1 + i) * lanes), scores);
    return scores;
  }

  struct TopTwo {
    float first;
    float second;
  };
  /// The two highest of all values, where each lane's first is at least its second.
  static TopTwo top_two(const V& first, const V& second) {
    alignas(64) float a[lanes];
    alignas(64) float b[lanes];
    first.store(a);
    second.store(b);
    for (Index half = lanes / 2; half > 0; half /= 2) {
      for (Index i = 0; i < half; ++i) {
        b[i] = std::max(std::max(b[i], b[i + half]), std::min(a[i], a[i + half]));
        a[i] = std::max(a[i], a[i + half]);
      }
    }
    return {a[0], b[0]};
  }

  /// Bit l: whether lane l is value.
  static std::uint32_t equal_lanes(const V& x, float value) {
    alignas(64) float values[lanes];
    x.store(values);
    std::uint32_t mask = 0;
    for (Index lane = 0; lane < lanes; ++lane) mask |= static_cast<std::uint32_t>(values[lane] == value) << lane;
    return mask;
  }
};

}  // namespace tessera::cpu_detail
