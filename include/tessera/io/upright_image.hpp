// An image that is turned upright while its rows are decoded, so that it is in memory once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include <tessera/core/types.hpp>
#include <tessera/data/pixels.hpp>

namespace tessera {

/// Takes an image's stored rows from the top and puts them where they are seen. Orientation 1..8: row 0, column 0 of
/// the stored image are the seen image's top-left, top-right, bottom-right, bottom-left (1 to 4), left-top, right-top,
/// right-bottom, left-bottom.
class UprightImage {
 public:
  /// height, width: as stored.
  UprightImage(Index height, Index width, int orientation)
      : height_(height),
        width_(width),
        transpose_(orientation >= 5),
        flip_x_(orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7),
        flip_y_(orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8),
        as_stored_(orientation == 1),
        seen_(transpose_ ? width : height, transpose_ ? height : width),
        block_(as_stored_ ? 0 : std::min(height, most_rows), width) {}

  /// Where the next stored row goes, RGB: [width, 3].
  [[nodiscard]] std::uint8_t* next_row() { return as_stored_ ? seen_.row(done_) : block_.row(done_ - block_start_); }
  /// Takes the row that next_row() pointed to.
  void take_row() {
    ++done_;
    if (as_stored_ || (done_ - block_start_ < block_.height && done_ < height_)) return;
    place_block();
    block_start_ = done_;
  }
  /// The image, after all rows.
  [[nodiscard]] Pixels finish() && { return std::move(seen_); }

 private:
  /// Rows that are placed together: where columns become rows, each page is then touched once for many pixels.
  static constexpr Index most_rows = 32;

  void place_block() {
    const Index rows = done_ - block_start_;
    // One is a row of the block where rows stay rows, else a column.
    for (Index line = 0; line < (transpose_ ? width_ : rows); ++line) {
      const Index stored_y = transpose_ ? line : block_start_ + line;
      std::uint8_t* seen = seen_.row(flip_y_ ? seen_.height - 1 - stored_y : stored_y);
      const Index count = transpose_ ? rows : width_, start = transpose_ ? block_start_ : 0;
      for (Index i = 0; i < count; ++i) {
        const std::uint8_t* pixel = transpose_ ? block_.row(i) + 3 * line : block_.row(line) + 3 * i;
        std::copy_n(pixel, 3, seen + 3 * (flip_x_ ? seen_.width - 1 - start - i : start + i));
      }
    }
  }

  Index height_, width_;
  bool transpose_, flip_x_, flip_y_, as_stored_;
  Pixels seen_, block_;
  Index done_ = 0, block_start_ = 0;
};

}  // namespace tessera
