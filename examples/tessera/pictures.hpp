// Putting pictures together.
#pragma once

#include <algorithm>
#include <vector>

#include <tessera/data/pixels.hpp>

namespace program {

/// left | right; both have the same size.
inline tessera::Pixels side_by_side(const tessera::Pixels& left, const tessera::Pixels& right) {
  tessera::Pixels both(left.height, 2 * left.width, left.channels);
  const tessera::Index length = left.width * left.channels;
  for (tessera::Index y = 0; y < left.height; ++y) {
    std::copy_n(left.row(y), length, both.row(y));
    std::copy_n(right.row(y), length, both.row(y) + length);
  }
  return both;
}

/// One below the other; all have the same size.
inline tessera::Pixels stacked(const std::vector<tessera::Pixels>& rows) {
  tessera::Pixels all(0, rows.front().width, rows.front().channels);
  for (const tessera::Pixels& row : rows) {
    all.height += row.height;
    all.values.insert(all.values.end(), row.values.begin(), row.values.end());
  }
  return all;
}

}  // namespace program
