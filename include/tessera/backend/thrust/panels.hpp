// Weights in panels of sixteen columns, so that a call's tile of sums reads them one after the other.
#pragma once

#include <tessera/backend/thrust/host_device.hpp>

namespace tessera::thrust_detail {

inline constexpr Index tile_rows = 4;  // 4 x 16: half of AVX2's registers hold sums
inline constexpr Index panel_columns = 16;

/// How many tiles or panels of `step` cover `size`, also in device code.
TESSERA_HOST_DEVICE constexpr Index parts(Index size, Index step) {
  return (size + step - 1) / step;
}

/// Panels [ceil(Width / 16), Depth, 16] of a matrix whose value (column, d) is at from[column * column_step + d *
/// depth_step], with zeros where Width ends; one call per value.
template <class S, Index Depth, Index Width>
struct PackPanels {
  const S* from;
  Index column_step, depth_step;
  S* packed;  // [panels, Depth, 16]

  static constexpr Index size = parts(Width, panel_columns) * panel_columns * Depth;

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index column = i / (Depth * panel_columns) * panel_columns + i % panel_columns;
    const Index d = i / panel_columns % Depth;
    packed[i] = column < Width ? from[column * column_step + d * depth_step] : S(0.0F);
  }
};

}  // namespace tessera::thrust_detail
