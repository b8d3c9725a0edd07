// The one thing that pixels need from EXIF: the orientation. EXIF 2.3, section 4.6; TIFF 6.0, section 2.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include <tessera/core/types.hpp>
#include <tessera/data/pixels.hpp>

namespace tessera {

namespace detail {

/// Bounds-checked numbers of a TIFF structure, in the byte order that its header states.
class TiffReader {
 public:
  explicit TiffReader(View<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::optional<std::uint32_t> number(std::uint64_t offset, std::uint64_t width) const {
    if (offset > bytes_.size() || width > bytes_.size() - offset) return std::nullopt;
    const bool little = bytes_[0] == 'I';
    std::uint32_t value = 0;
    for (std::uint64_t i = 0; i < width; ++i) value = value << 8 | bytes_[offset + (little ? width - 1 - i : i)];
    return value;
  }

 private:
  View<const std::uint8_t> bytes_;
};

}  // namespace detail

/// The orientation (1 to 8) stored in a TIFF structure: what follows "Exif\0\0" in a JPEG's APP1 segment, or the
/// content of a PNG's eXIf chunk. Anything missing, malformed or out of range means 1, upright, as viewers treat it.
inline int exif_orientation(View<const std::uint8_t> tiff) {
  constexpr std::uint32_t orientation_tag = 0x0112, type_short = 3, type_long = 4;
  if (tiff.size() < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
  const detail::TiffReader reader(tiff);
  if (reader.number(2, 2) != 42u) return 1;
  const std::uint64_t directory = *reader.number(4, 4);
  const std::uint32_t entries = reader.number(directory, 2).value_or(0);
  for (std::uint64_t i = 0; i < entries; ++i) {
    const std::uint64_t entry = directory + 2 + 12 * i;  // tag 2, type 2, count 4, value 4
    const auto tag = reader.number(entry, 2);
    if (!tag) return 1;
    if (*tag != orientation_tag) continue;
    const auto type = reader.number(entry + 2, 2), count = reader.number(entry + 4, 4);
    if (count != 1u || (type != type_short && type != type_long)) return 1;
    const auto value = reader.number(entry + 8, type == type_short ? 2 : 4);
    return value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 1;
  }
  return 1;
}

/// Turns an image as stored into the image as seen. Orientation 1..8: row 0, column 0 of the stored image are the seen
/// image's top-left, top-right, bottom-right, bottom-left (1 to 4), left-top, right-top, right-bottom, left-bottom.
inline Pixels apply_orientation(Pixels stored, int orientation) {
  if (orientation <= 1 || orientation > 8) return stored;
  const bool transpose = orientation >= 5;
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  Pixels seen = transpose ? Pixels(stored.width, stored.height, stored.channels)
                          : Pixels(stored.height, stored.width, stored.channels);
  for (Index y = 0; y < seen.height; ++y) {
    std::uint8_t* out = seen.row(y);
    for (Index x = 0; x < seen.width; ++x, out += seen.channels) {
      const Index from_x = flip_x ? seen.width - 1 - x : x, from_y = flip_y ? seen.height - 1 - y : y;
      const std::uint8_t* in =
          transpose ? stored.row(from_x) + from_y * stored.channels : stored.row(from_y) + from_x * stored.channels;
      std::copy_n(in, seen.channels, out);
    }
  }
  return seen;
}

}  // namespace tessera
