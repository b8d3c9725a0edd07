// A [rows, depth] B [depth, columns], A read where it lies or in tiles, and B in panels, cut into independent tasks of
// whole tiles.
// After Goto and van de Geijn 2008 (doi:10.1145/1356052.1356053): a block of a panel stays in L2 while the row tiles
// pass over it, and so does a block of A's rows while the panels pass over that.
#pragma once

#include <algorithm>
#include <cstring>

#include <tessera/backend/cpu/panels.hpp>
#include <tessera/core/copy.hpp>

namespace tessera::cpu_detail {

/// Depth of a panel's block: with AVX-512 768 x 64 floats = 192 KiB of L2, from where the tile streams them, while its
/// 6 rows of A, 18 KiB, stay in L1. Blocks that fit L1 were 5 % slower: they load and store C more often. A depth of up
/// to half as much again is not cut: two blocks of 576 were 3 % slower than one of 1152.
inline constexpr Index depth_block = 768;
/// Floats of A that one task keeps in L2 beside the panel: 512 KiB.
inline constexpr Index left_block_size = 512 * 1024 / sizeof(float);
/// The most rows of one task: their sums for one panel lie on its stack, 60 KiB.
inline constexpr Index max_block_rows = 240;
/// Tasks that every thread should get, so that all end at the same time. A thread alone gets one: it can then fetch
/// each panel ahead.
inline constexpr Index tasks_per_thread = 8;
/// Fused multiply-adds that a task is worth: some 10 us, a hundred times what handing it out costs.
inline constexpr Index least_task_work = 1 << 20;

/// How a product is cut: tasks = row_blocks * panel_groups, all of nearly the same size.
struct ProductTasks {
  Index row_tiles;
  Index row_blocks;
  Index panels;
  Index panel_groups;
};

/// A [rows, depth], of which a row brings row_values into L2: fewer than depth where rows share values.
template <class Arch>
ProductTasks product_tasks(Index rows, Index depth, Index row_values, Index columns) {
  const Index row_tiles = ceil_div(rows, tile_rows<Arch>);
  const Index panels = panel_count<Arch>(columns);
  const Index block_rows =
      std::clamp(left_block_size / std::max<Index>(row_values, 1), 2 * tile_rows<Arch>, max_block_rows);
  const Index threads = thread_count();
  const Index most_tasks = threads > 1 ? tasks_per_thread * threads : 1;
  const Index wanted = std::clamp<Index>(rows * depth * columns / least_task_work, 1, most_tasks);
  Index row_blocks = ceil_div(row_tiles, block_rows / tile_rows<Arch>);
  const Index panel_groups = std::min(panels, ceil_div(wanted, row_blocks));
  row_blocks = std::max(row_blocks, std::min(row_tiles, ceil_div(wanted, panel_groups)));
  return {row_tiles, row_blocks, panels, panel_groups};
}

/// A [rows, depth], row by row: where a layer's input lies.
struct LeftRows {
  const float* data;
  Index depth;

  [[nodiscard]] LeftOperand at(Index /*tile*/, Index row, Index k) const { return {data + row * depth + k, depth, 1}; }
};

/// A as pack_left_tiles leaves it: tiles [depth, tile_rows].
template <class Arch>
struct LeftTiles {
  const float* data;
  Index depth;

  [[nodiscard]] LeftOperand at(Index tile, Index /*row*/, Index k) const {
    return {data + (tile * depth + k) * tile_rows<Arch>, 1, tile_rows<Arch>};
  }
};

/// Where tile `tile` of A's rows begins: they are divided evenly, so that no tile is thin.
template <class Arch>
constexpr Index tile_begin(Index rows, Index tile) {
  return part_begin(rows, tile, ceil_div(rows, tile_rows<Arch>));
}

template <class Arch>
constexpr Index left_tiles_size(Index rows, Index depth) {
  return ceil_div(rows, tile_rows<Arch>) * tile_rows<Arch> * depth;
}

/// tiles = A [rows, depth] for LeftTiles, A(i, k) = source[k * rows + i]. In place, every step of k would read another
/// page.
template <class Arch>
void pack_left_tiles(Index rows, Index depth, const float* source, float* tiles) {
  constexpr Index height = tile_rows<Arch>;
  constexpr Index group = 8;  // tiles of one task: it reads whole cache lines, and writes to few pages at a time
  const Index count = ceil_div(rows, height);
  parallel_for(ceil_div(count, group), [=](Index task) {
    const Index first = task * group;
    const Index last = std::min(first + group, count);
    Index begin[group];
    for (Index tile = first; tile < last; ++tile) begin[tile - first] = tile_begin<Arch>(rows, tile);
    // A tile of fewer rows takes one of the next tile's along, if there is one: copies of constant size are faster.
    const bool whole = begin[last - 1 - first] + height <= rows;
    for (Index k = 0; k < depth; ++k) {
      const float* const from = source + k * rows;
      float* to = tiles + (first * depth + k) * height;
      for (Index tile = 0; tile < last - first - (whole ? 0 : 1); ++tile, to += depth * height) {
        std::memcpy(to, from + begin[tile], height * sizeof(float));  // three moves
      }
      if (!whole) copy_values(from + begin[last - 1 - first], rows - begin[last - 1 - first], to);
    }
  });
}

/// A register tile of the product, and the block of its depth that is due.
struct ProductTile {
  Index tile, row, rows;  // of A
  Index column, columns;  // of B
  Index k, depth;
  bool starts, ends;   // the first block of the depth, the last one
  const float* right;  // B's block, [depth, tile_columns]
  float* sums;         // [rows, tile_columns] on the stack, the tile's own until its depth ends
  Prefetch prefetch;   // B's block that follows in memory
  // What the task computes next, if it is not done.
  bool has_next;
  Index next_row, next_column;
};

/// Calls f(ProductTile) for all of A B, on all threads. The blocks of a tile's depth come in ascending order.
template <class Arch, class F>
void for_each_product_tile(Index rows, Index depth, Index row_values, Index columns, const float* packed, const F& f) {
  constexpr Index width = tile_columns<Arch>;
  const ProductTasks tasks = product_tasks<Arch>(rows, depth, row_values, columns);
  const Index depth_blocks = std::max<Index>((depth + depth_block / 2 - 1) / depth_block, 1);  // rounded, halves down

  parallel_for(tasks.row_blocks * tasks.panel_groups, [&](Index task) {
    alignas(alignment) float sums[max_block_rows * width];
    const Index block = task / tasks.panel_groups;
    const Index group = task % tasks.panel_groups;
    const Index first_tile = part_begin(tasks.row_tiles, block, tasks.row_blocks);
    const Index tiles = part_begin(tasks.row_tiles, block + 1, tasks.row_blocks) - first_tile;
    const Index first_row = tile_begin<Arch>(rows, first_tile);
    const Index last_step = part_begin(tasks.panels, group + 1, tasks.panel_groups) * depth_blocks - 1;
    for (Index step = part_begin(tasks.panels, group, tasks.panel_groups) * depth_blocks; step <= last_step; ++step) {
      const Index column = step / depth_blocks * width;
      const Index d = step % depth_blocks;
      const bool ends = d + 1 == depth_blocks;
      const Index k = part_begin(depth, d, depth_blocks);
      const Index block_depth = part_begin(depth, d + 1, depth_blocks) - k;
      const float* const right = packed + column * depth + k * width;
      // Each tile fetches its part of the block that follows.
      const Index lines = step == last_step ? 0 : ceil_div(prefetch_steps * width / line, tiles);
      const Index tile_lines = ceil_div(block_depth, prefetch_steps) * lines;
      for (Index i = 0; i < tiles; ++i) {
        const Index row = tile_begin<Arch>(rows, first_tile + i);
        const Index next_row = tile_begin<Arch>(rows, first_tile + i + 1);
        const bool last = i + 1 == tiles;
        f(ProductTile{.tile = first_tile + i,
                      .row = row,
                      .rows = next_row - row,
                      .column = column,
                      .columns = std::min(width, columns - column),
                      .k = k,
                      .depth = block_depth,
                      .starts = d == 0,
                      .ends = ends,
                      .right = right,
                      .sums = sums + (depth_blocks > 1 ? row - first_row : 0) * width,
                      .prefetch = {.data = right + block_depth * width + i * tile_lines * line, .lines = lines},
                      .has_next = !last || step < last_step,
                      .next_row = last ? first_row : next_row,
                      .next_column = last && ends ? column + width : column});
      }
    }
  });
}

/// One tile of y [_, columns], in place, from `start` at first. Its next tile is fetched: where that is read before it
/// is written, this one is too late.
template <class Arch, class Left>
void multiply_in_place(ProductTile t, const Left& a, TileStart start, float* y, Index columns) {
  float* const c = y + t.row * columns + t.column;
  if (t.has_next) {
    t.prefetch.output = y + t.next_row * columns + t.next_column;
    t.prefetch.output_stride = columns;
  }
  multiply_tile<Arch>(t.rows, t.columns, t.depth, a.at(t.tile, t.row, t.k), {t.right, tile_columns<Arch>},
                      t.starts ? start : TileStart{c, columns}, c, columns, t.prefetch);
}

/// Where the sums of the panel at `column` start: bias [columns], or nullptr for 0.
inline TileStart bias_start(const float* bias, Index column) {
  return {bias == nullptr ? zero_row : bias + column, 0};
}

/// y [rows, columns] = bias + A B.
template <class Arch, class Left>
void multiply(Index rows, Index depth, Index columns, const Left& a, const float* packed, const float* bias, float* y) {
  for_each_product_tile<Arch>(rows, depth, depth, columns, packed, [=](const ProductTile& t) {
    multiply_in_place<Arch>(t, a, bias_start(bias, t.column), y, columns);
  });
}

/// y [rows, columns] += A B.
template <class Arch, class Left>
void add_product(Index rows, Index depth, Index columns, const Left& a, const float* packed, float* y) {
  for_each_product_tile<Arch>(rows, depth, depth, columns, packed, [=](const ProductTile& t) {
    multiply_in_place<Arch>(t, a, TileStart{y + t.row * columns + t.column, columns}, y, columns);
  });
}

/// finish(row, rows, column, columns, sums) for every tile of bias + A B, sums [rows, tile_columns], to be written to
/// y.
template <class Arch, class Left, class Finish>
void multiply(Index rows, Index depth, Index columns, const Left& a, const float* packed, const float* bias, float* y,
              const Finish& finish) {
  constexpr Index width = tile_columns<Arch>;
  for_each_product_tile<Arch>(rows, depth, depth, columns, packed, [=, &finish](ProductTile t) {
    // The last group of sixteen is computed whole, so its bias needs values behind the last.
    alignas(alignment) float start[width] = {};
    if (bias != nullptr && t.starts) std::copy_n(bias + t.column, t.columns, start);
    if (t.ends) {
      t.prefetch.output = y + t.row * columns + t.column;
      t.prefetch.output_stride = columns;
    }
    multiply_tile<Arch>(t.rows, ceil_div(t.columns, lanes) * lanes, t.depth, a.at(t.tile, t.row, t.k), {t.right, width},
                        t.starts ? TileStart{start, 0} : TileStart{t.sums, width}, t.sums, width, t.prefetch);
    if (t.ends) finish(t.row, t.rows, t.column, t.columns, t.sums);
  });
}

}  // namespace tessera::cpu_detail
