// ids[r] = argmin_k |z[r] - codes[k]|^2 = argmax_k s(r, k), s = z . code - |code|^2 / 2. No [rows, K] matrix exists.
//
// Each s is one chain of fused multiply-adds over C that starts at -|code|^2 / 2, so its bits depend on neither the
// instruction set nor the tile. Sixteen codes stand in the lanes of a panel, 32 panels are a group. The maximum of a
// group costs one operation a panel next to C fused multiply-adds; its id and the runner-up would cost five. So these
// two are kept from group to group alone, and at the end the 32 codes of the winning group and lane are computed again,
// from a second copy of the codes where they stand side by side.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

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

  /// packed [groups, 2, 32, 1 + C, 16]: in front of each code's values -|code|^2 / 2; -infinity and zeros where there
  /// is no code. Code (16 p + l) of a group is lane l of the first copy's panel p; in the second copy, codes l, 16 + l,
  /// 32 + l, ... are the lanes of panels 2 l and 2 l + 1.
  template <Index K, Index C>
  static void pack_codes(Shape<K, C>, View<const float> codes, View<float> packed) {
    for (Index k = 0; k < groups<K> * group_codes; ++k) {
      float* group = packed.data() + k / group_codes * group_size<C>;
      const Index p = k % group_codes / lanes;
      const Index lane = k % lanes;
      const auto put = [&](Index i, float value) {
        group[p * panel_size<C> + i * lanes + lane] = value;
        group[(group_panels + lane * 2 + p / lanes) * panel_size<C> + i * lanes + p % lanes] = value;
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
    static_assert(groups<K> * lanes <= (Index{1} << 24), "nearest_code: more than 2^29 codes; Running has float keys.");
    const Index tasks = ceil_div(rows, task_queries);
    parallel_for(tasks, [&](Index task) {
      const Index first = rows * task / tasks;
      const Index count = rows * (task + 1) / tasks - first;
      Running<lanes> running;
      set_all(-infinity, count, running.best);
      set_all(-infinity, count, running.second);
      set_all(0.0F, count, running.key);
      const float* from = z.data() + first * C;
      for (Index group = 0; group < groups<K>; ++group) {
        score_group<C>(group, std::min(group_codes, K - group * group_codes), count, from,
                       packed.data() + group * group_size<C>, running);
      }
      finish<K, C>(running, count, from, packed.data(), ids.data() + first,
                   margins.empty() ? nullptr : margins.data() + first);
    });
  }

 private:
  static constexpr float infinity = std::numeric_limits<float>::infinity();
  /// 6 queries x 4 panels: 24 of AVX-512's 32 registers hold scores (12 x 2 visit the running maxima twice as often:
  /// 82% of the FMA peak in place of 90% at C = 12). AVX2 (12 of 16) and NEON (24 of 32) hold 6 x 1.
  static constexpr Index tile_queries = 6;
  static constexpr Index panels_at_once = V::parts == 1 ? 4 : 1;
  static constexpr Index group_panels = 2 * lanes;
  static constexpr Index group_codes = group_panels * lanes;
  /// Queries of one task: their tiles pass over codes while these are in cache.
  static constexpr Index task_queries = 48;

  template <Index K>
  static constexpr Index groups = ceil_div(K, group_codes);
  template <Index C>
  static constexpr Index panel_size = (1 + C) * lanes;
  template <Index C>
  static constexpr Index group_size = 2 * group_panels* panel_size<C>;
  /// Panels that one tile passes over before the next tile does: 16 KiB, half of the first-level cache, or a few more.
  template <Index C>
  static constexpr Index block_panels = std::clamp(256 / (1 + C) / panels_at_once * panels_at_once, panels_at_once,
                                                   lanes);

  /// For each query and lane: the highest score, the highest score of any other group (or, of another lane, while lanes
  /// are joined), and 16 * group + lane of the highest. Floats hold these numbers exactly, below 2^24.
  template <Index stride>
  struct Running {
    alignas(64) float best[task_queries * stride];
    alignas(64) float second[task_queries * stride];
    alignas(64) float key[task_queries * stride];
  };

  /// y [count, 16] = value, in vectors even where a compiler makes no vectors of std::fill.
  static void set_all(float value, Index count, float* y) {
    for (Index q = 0; q < count; ++q) V::broadcast(value).store(y + q * lanes);
  }

  /// Rows are divided evenly over the tiles, so that no tile is thin.
  template <Index C>
  static void score_group(Index group, Index codes, Index count, const float* z, const float* packed,
                          Running<lanes>& running) {
    using Kernel = void (*)(Index, const float*, const float*, float*);
    static constexpr auto kernels = []<std::size_t... i>(std::index_sequence<i...>) {
      return std::array<Kernel, sizeof...(i)>{&score_panels<C, static_cast<Index>(i) + 1>...};
    }
    (std::make_index_sequence<static_cast<std::size_t>(tile_queries)>{});

    alignas(64) float highest[task_queries * lanes];
    set_all(-infinity, count, highest);
    const Index tiles = ceil_div(count, tile_queries);
    const Index panels = (codes + panels_at_once * lanes - 1) / (panels_at_once * lanes) * panels_at_once;
    for (Index p = 0; p < panels; p += block_panels<C>) {
      for (Index t = 0; t < tiles; ++t) {
        const Index first = count * t / tiles;
        const Index tile_count = count * (t + 1) / tiles - first;
        kernels[static_cast<std::size_t>(tile_count - 1)](std::min(block_panels<C>, panels - p), z + first * C,
                                                          packed + p * panel_size<C>, highest + first * lanes);
      }
    }
    const V key = V::load(lane_numbers.data()) + V::broadcast(static_cast<float>(group * lanes));
    for (Index at = 0; at < count * lanes; at += lanes) update(running, at, V::load(highest + at), key);
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
        unroll<vectors>([&](auto v)
                            __attribute__((always_inline)) { score[q][v] = fused(query, values[v], sum(q, v)); });
      });
    };
    Batch start[vectors];
    unroll<vectors>([&](auto v) __attribute__((always_inline)) { start[v] = load(0, v); });
    add(
        0, [&](auto, auto v) __attribute__((always_inline)) { return start[v]; });
    const auto sum = [&](auto q, auto v) __attribute__((always_inline)) {
      return score[q][v];
    };
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
    return V::map([](Batch x, Batch y, Batch of_x, Batch of_y) { return Batch(xsimd::select(x > y, of_x, of_y)); }, a,
                  b, key_a, key_b);
  }

  /// Joins lanes [half, 2 half) to lanes [0, half) of every query; the other lanes then hold nothing of use. All
  /// queries take each step before any takes the next, because a load waits for the store that it straddles.
  static void join_lanes(Index count, Running<2 * lanes>& lane_values) {
    for (Index half = lanes / 2; half > 0; half /= 2) {
      for (Index q = 0; q < count; ++q) {
        float* best = lane_values.best + q * 2 * lanes;
        float* second = lane_values.second + q * 2 * lanes;
        float* key = lane_values.key + q * 2 * lanes;
        const V a = V::load(best);
        const V b = V::load(best + half);
        larger_key(b, a, V::load(key + half), V::load(key)).store(key);
        max(max(V::load(second), V::load(second + half)), min(a, b)).store(second);
        max(a, b).store(best);
      }
    }
  }

  struct Nearest {
    Index id;
    float score;
    float runner_up;
  };

  template <Index K, Index C>
  static void finish(const Running<lanes>& running, Index count, const float* z, const float* packed, Token* ids,
                     float* margins) {
    Running<2 * lanes> joined;
    for (Index q = 0; q < count; ++q) {
      start_join(joined, q, V::load(running.best + q * lanes), V::load(running.second + q * lanes),
                 V::load(running.key + q * lanes));
    }
    join_lanes(count, joined);

    Nearest nearest[task_queries];
    for (Index q = 0; q < count; ++q) {
      const Index at = q * 2 * lanes;
      const Index key = static_cast<Index>(joined.key[at]);
      nearest[q] = {key / lanes * group_codes + key % lanes, joined.best[at], joined.second[at]};
      const auto [low, high] = score_codes<C>(z + q * C, lane_codes<C>(packed, key));
      const V panel = V::load(lane_numbers.data());
      start_join(joined, q, max(low, high), min(low, high),
                 larger_key(high, low, panel + V::broadcast(static_cast<float>(lanes)), panel));
    }
    join_lanes(count, joined);

    for (Index q = 0; q < count; ++q) {
      auto [id, score, runner_up] = nearest[q];
      id += static_cast<Index>(joined.key[q * 2 * lanes]) * lanes;
      runner_up = std::max(runner_up, joined.second[q * 2 * lanes]);
      if (runner_up == score) id = lowest_id<C>(running, q, score, z + q * C, packed);
      ids[q] = id < K ? static_cast<Token>(id) : 0;
      if (margins != nullptr) margins[q] = 2.0F * (score - runner_up);
    }
  }
  [[gnu::always_inline]] static void start_join(Running<2 * lanes>& joined, Index q, const V& best, const V& second,
                                                const V& key) {
    const auto put = [&](const V& values, float* to) {
      values.store(to);
      V::broadcast(0.0F).store(to + lanes);  // is loaded, though not used
    };
    put(best, joined.best + q * 2 * lanes);
    put(second, joined.second + q * 2 * lanes);
    put(key, joined.key + q * 2 * lanes);
  }

  /// The lowest of the ids that share the highest score.
  template <Index C>
  static Index lowest_id(const Running<lanes>& running, Index q, float score, const float* z, const float* packed) {
    Index lowest = std::numeric_limits<Index>::max();
    for (Index lane = 0; lane < lanes; ++lane) {
      if (running.best[q * lanes + lane] != score) continue;
      const Index key = static_cast<Index>(running.key[q * lanes + lane]);
      alignas(64) float scores[group_panels];
      const auto [low, high] = score_codes<C>(z, lane_codes<C>(packed, key));
      low.store(scores);
      high.store(scores + lanes);
      const Index panel = std::find(scores, scores + group_panels, score) - scores;
      lowest = std::min(lowest, key / lanes * group_codes + panel * lanes + key % lanes);
    }
    return lowest;
  }

  /// The two panels of the codes that one lane of one group has seen.
  template <Index C>
  static const float* lane_codes(const float* packed, Index key) {
    return packed + key / lanes * group_size<C> + (group_panels + key % lanes * 2) * panel_size<C>;
  }

  /// The scores of the codes of two panels, with the bits of score_step.
  template <Index C>
  [[gnu::always_inline]] static std::pair<V, V> score_codes(const float* z, const float* panel) {
    V low = V::load(panel);
    V high = V::load(panel + panel_size<C>);
    for (Index i = 0; i < C; ++i) {
      const V value = V::broadcast(z[i]);
      low = fma(value, V::load(panel + (1 + i) * lanes), low);
      high = fma(value, V::load(panel + panel_size<C> + (1 + i) * lanes), high);
    }
    return {low, high};
  }

  alignas(64) static constexpr std::array<float, lanes> lane_numbers{0, 1, 2,  3,  4,  5,  6,  7,
                                                                     8, 9, 10, 11, 12, 13, 14, 15};
};

}  // namespace tessera::cpu_detail
