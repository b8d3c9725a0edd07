// An 8-bit image in memory.
#pragma once

#include <cstdint>
#include <vector>

#include <tessera/core/types.hpp>

namespace tessera {

/// Files with larger images are refused before anything is allocated for them.
inline constexpr std::uint64_t max_pixels = std::uint64_t{1} << 28;

/// 8-bit samples [height, width, channels], rows from the top; RGB has 3 channels, grey 1.
struct Pixels {
  Index height = 0, width = 0, channels = 3;
  std::vector<std::uint8_t> values;

  Pixels() = default;
  /// All zero.
  Pixels(Index rows, Index columns, Index samples = 3)
      : height(rows),
        width(columns),
        channels(samples),
        values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns) * static_cast<std::size_t>(samples)) {
  }

  [[nodiscard]] std::uint8_t* row(Index y) { return values.data() + y * width * channels; }
  [[nodiscard]] const std::uint8_t* row(Index y) const { return values.data() + y * width * channels; }

  friend bool operator==(const Pixels&, const Pixels&) = default;
};

/// RGB to grey with the very values of Pillow's convert("L"): (19595 R + 38470 G + 7471 B + 2^15) / 2^16.
inline Pixels to_grey(const Pixels& rgb) {
  Pixels grey(rgb.height, rgb.width, 1);
  for (std::size_t i = 0; i < grey.values.size(); ++i) {
    const std::uint8_t* p = rgb.values.data() + 3 * i;
    grey.values[i] = static_cast<std::uint8_t>((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 0x8000u) >> 16);
  }
  return grey;
}

}  // namespace tessera
