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
/// 6 rows of A, 18 KiB, stay in L1. Blocks that fit L1 were 5 % slower: they load and store C more often.
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

template <class Arch>
ProductTasks product_tasks(Index rows, Index depth, Index columns) {
  const Index row_tiles = ceil_div(rows, tile_rows<Arch>);
  const Index panels = panel_count<Arch>(columns);
  const Index block_rows = std::clamp(left_block_size / std::max<Index>(depth, 1), 2 * tile_rows<Arch>, max_block_rows);
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

/// What the sums of a product start with.
struct ProductStart {
  const float* bias;  // [columns], or nullptr for 0
  bool accumulate;    // or with y as it is
};

/// Where the product goes: y [rows, columns], or, if something is done to it first, through sums on the stack.
struct ProductOutput {
  float* y;
  bool through_stack;
};

/// y = start + A B, or, if output.through_stack, finish(row, rows, column, columns, sums) for every tile of that
/// instead, sums [rows, tile_columns]. Floats behind the columns of a tile are 0.
template <class Arch, class Left, class Finish>
void multiply_panels(Index rows, Index depth, Index columns, const Left& a, const float* packed, ProductStart from,
                     ProductOutput output, const Finish& finish) {
  constexpr Index width = tile_columns<Arch>;
  const ProductTasks tasks = product_tasks<Arch>(rows, depth, columns);
  const Index depth_blocks = std::max<Index>(ceil_div(depth, depth_block), 1);

  parallel_for(tasks.row_blocks * tasks.panel_groups, [&](Index task) {
    alignas(alignment) float sums[max_block_rows * width];  // [the task's rows, tile_columns]
    const Index block = task / tasks.panel_groups;
    const Index group = task % tasks.panel_groups;
    const Index first_tile = part_begin(tasks.row_tiles, block, tasks.row_blocks);
    const Index last_tile = part_begin(tasks.row_tiles, block + 1, tasks.row_blocks);
    const Index last_panel = part_begin(tasks.panels, group + 1, tasks.panel_groups);
    for (Index panel = part_begin(tasks.panels, group, tasks.panel_groups); panel < last_panel; ++panel) {
      const Index column = panel * width;
      const Index tile_width = std::min(width, columns - column);
      alignas(alignment) float start[width] = {};
      if (from.bias != nullptr) std::copy_n(from.bias + column, tile_width, start);
      for (Index d = 0; d < depth_blocks; ++d) {
        const Index k = part_begin(depth, d, depth_blocks);
        const Index block_depth = part_begin(depth, d + 1, depth_blocks) - k;
        const float* const b = packed + column * depth + k * width;
        // The block that follows in memory is the next one; each tile fetches its part of it.
        const bool last = panel + 1 == last_panel && d + 1 == depth_blocks;
        const Index lines = last ? 0 : ceil_div(prefetch_steps * width / line, last_tile - first_tile);
        const Index lines_a_tile = ceil_div(block_depth, prefetch_steps) * lines;
        for (Index tile = first_tile; tile < last_tile; ++tile) {
          const Index row = tile_begin<Arch>(rows, tile);
          const Index tile_height = tile_begin<Arch>(rows, tile + 1) - row;
          Prefetch next{b + block_depth * width + (tile - first_tile) * lines_a_tile * line, lines, nullptr, columns};
          const LeftOperand left = a.at(tile, row, k);
          if (output.through_stack) {
            float* const c = sums + (depth_blocks > 1 ? row - tile_begin<Arch>(rows, first_tile) : 0) * width;
            if (d + 1 == depth_blocks) next.output = output.y + row * columns + column;
            multiply_tile<Arch>(tile_height, ceil_div(tile_width, lanes) * lanes, block_depth, left, {b, width},
                                d > 0 ? TileStart{c, width} : TileStart{start, 0}, c, width, next);
            if (d + 1 == depth_blocks) finish(row, tile_height, column, tile_width, c);
          } else {
            float* const c = output.y + row * columns + column;
            // The tile after this one, which will be read too if sums are accumulated.
            const bool block_ends = tile + 1 == last_tile;
            const Index next_row = tile_begin<Arch>(rows, block_ends ? first_tile : tile + 1);
            next.output = output.y + next_row * columns + column + (block_ends && d + 1 == depth_blocks ? width : 0);
            multiply_tile<Arch>(tile_height, tile_width, block_depth, left, {b, width},
                                d > 0 || from.accumulate ? TileStart{c, columns} : TileStart{start, 0}, c, columns,
                                next);
          }
        }
      }
    }
  });
}

}  // namespace tessera::cpu_detail
