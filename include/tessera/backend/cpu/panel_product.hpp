// A [rows, depth] B [depth, columns], A read where it lies and B in panels, cut into independent tasks of whole tiles.
// After Goto and van de Geijn 2008 (doi:10.1145/1356052.1356053): a block of a panel stays in L1 while the row tiles
// pass over it, and a block of A's rows stays in L2 while the panels pass over that.
#pragma once

#include <algorithm>

#include <tessera/backend/cpu/panels.hpp>

namespace tessera::cpu_detail {

/// Depth of a panel's block: with AVX-512 256 x 32 floats = 32 KiB of L1, half of that with 16 columns.
inline constexpr Index depth_block = 256;
/// Floats of A that one task keeps in L2 beside the panel: 512 KiB.
inline constexpr Index left_block_size = 512 * 1024 / sizeof(float);
/// The most rows of one task: their sums for one panel lie on its stack, 30 KiB of them.
inline constexpr Index max_block_rows = 240;
/// Tasks for every product that is big enough: many more than threads, so that all end at the same time.
inline constexpr Index wanted_tasks = 24;
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
  const Index wanted = std::clamp<Index>(rows * depth * columns / least_task_work, 1, wanted_tasks);
  Index row_blocks = ceil_div(row_tiles, block_rows / tile_rows<Arch>);
  const Index panel_groups = std::min(panels, ceil_div(wanted, row_blocks));
  row_blocks = std::max(row_blocks, std::min(row_tiles, ceil_div(wanted, panel_groups)));
  return {row_tiles, row_blocks, panels, panel_groups};
}

/// Calls finish(row, rows, column, columns, sums), sums [rows, tile_columns], once for every tile of the product.
template <class Arch, class Finish>
void multiply_panels(Index rows, Index depth, Index columns, const float* a, const float* packed,
                     const Finish& finish) {
  constexpr Index width = tile_columns<Arch>;
  const ProductTasks tasks = product_tasks<Arch>(rows, depth, columns);
  const Index depth_blocks = std::max<Index>(ceil_div(depth, depth_block), 1);
  const auto tile_begin = [=](Index tile) { return part_begin(rows, tile, tasks.row_tiles); };

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
      for (Index d = 0; d < depth_blocks; ++d) {
        const Index k = part_begin(depth, d, depth_blocks);
        const Index k_end = part_begin(depth, d + 1, depth_blocks);
        for (Index tile = first_tile; tile < last_tile; ++tile) {
          const Index row = tile_begin(tile);
          const Index tile_height = tile_begin(tile + 1) - row;
          float* const tile_sums = sums + (depth_blocks > 1 ? row - tile_begin(first_tile) : 0) * width;
          multiply_tile<Arch>(tile_height, ceil_div(tile_width, lanes) * lanes, k_end - k,
                              {a + row * depth + k, depth, 1}, {packed + column * depth + k * width, width}, d > 0,
                              tile_sums, width);
          if (k_end == depth) finish(row, tile_height, column, tile_width, tile_sums);
        }
      }
    }
  });
}

}  // namespace tessera::cpu_detail
