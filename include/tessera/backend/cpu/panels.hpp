// Right operands as the register tile reads them: panels of tile_columns columns, one after the other, each [depth,
// tile_columns] with zeros beyond the last column. A panel is read from front to back, and so is the whole buffer.
#pragma once

#include <algorithm>

#include <tessera/backend/cpu/micro_kernel.hpp>
#include <tessera/core/parallel.hpp>

namespace tessera::cpu_detail {

/// The first of `count` items that part `i` of `parts` gets when they are dealt out evenly, in order.
constexpr Index part_begin(Index count, Index i, Index parts) {
  return count * i / parts;
}

template <class Arch>
constexpr Index panel_count(Index columns) {
  return ceil_div(columns, tile_columns<Arch>);
}

/// Values that pack_rows and pack_columns write for a right operand B [depth, columns].
template <class Arch>
constexpr Index packed_size(Index depth, Index columns) {
  return panel_count<Arch>(columns) * tile_columns<Arch> * depth;
}

/// One panel [depth, tile_columns] of B(k, j) = source[k * stride + j], 0 < columns <= tile_columns.
template <class Arch>
void pack_panel(Index depth, Index columns, const float* source, Index stride, float* panel) {
  constexpr Index width = tile_columns<Arch>;
  if (columns == width) {
    for (Index k = 0; k < depth; ++k) {
      for (Index j = 0; j < width; j += lanes) Lanes<Arch>::load(source + k * stride + j).store(panel + k * width + j);
    }
    return;
  }
  for (Index k = 0; k < depth; ++k) {
    std::copy_n(source + k * stride, columns, panel + k * width);
    std::fill(panel + k * width + columns, panel + (k + 1) * width, 0.0F);
  }
}

/// One panel [depth, tile_columns] of B(k, j) = source[j * stride + k], 0 < columns <= tile_columns.
template <class Arch>
void pack_panel_transposed(Index depth, Index columns, const float* source, Index stride, float* panel) {
  constexpr Index width = tile_columns<Arch>;
  constexpr Index block = 16;  // one cache line of each source row, so that no line is fetched twice
  for (Index first = 0; first < depth; first += block) {
    const Index last = std::min(first + block, depth);
    for (Index j = 0; j < columns; ++j) {
      for (Index k = first; k < last; ++k) panel[k * width + j] = source[j * stride + k];
    }
    for (Index j = columns; j < width; ++j) {
      for (Index k = first; k < last; ++k) panel[k * width + j] = 0.0F;
    }
  }
}

/// packed = panels of B [depth, columns], B(k, j) = source[k * columns + j].
template <class Arch>
void pack_rows(Index depth, Index columns, const float* source, float* packed) {
  constexpr Index width = tile_columns<Arch>;
  parallel_for(panel_count<Arch>(columns), [=](Index p) {
    const Index first = p * width;
    pack_panel<Arch>(depth, std::min(width, columns - first), source + first, columns, packed + first * depth);
  });
}

/// packed = panels of B [depth, columns], B(k, j) = source[j * depth + k].
template <class Arch>
void pack_columns(Index depth, Index columns, const float* source, float* packed) {
  constexpr Index width = tile_columns<Arch>;
  parallel_for(panel_count<Arch>(columns), [=](Index p) {
    const Index first = p * width;
    pack_panel_transposed<Arch>(depth, std::min(width, columns - first), source + first * depth, depth,
                                packed + first * depth);
  });
}

}  // namespace tessera::cpu_detail
