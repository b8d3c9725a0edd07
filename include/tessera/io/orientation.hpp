// The one thing that pixels need from an image file's metadata: how the image is to be turned. What EXIF and XMP say is
// read as Pillow's Image.getexif reads it, mistakes included. EXIF 2.3, section 4.6; TIFF 6.0, section 2.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string_view>

#include <tessera/core/types.hpp>

namespace tessera {

namespace detail {

/// The bytes of each TIFF type that Pillow knows; 0: no such type.
inline constexpr std::array<std::uint64_t, 17> tiff_type_bytes = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};

/// Bounds-checked numbers of a TIFF structure, in the byte order that its header declares.
class TiffReader {
 public:
  explicit TiffReader(View<const std::uint8_t> bytes) : bytes_(bytes), little_(!bytes.empty() && bytes[0] == 'I') {}

  [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t width) const {
    return offset <= bytes_.size() && width <= bytes_.size() - offset;
  }
  /// Unsigned; only where holds(offset, width).
  [[nodiscard]] std::uint64_t number(std::uint64_t offset, std::uint64_t width) const {
    std::uint64_t value = 0;
    for (std::uint64_t i = 0; i < width; ++i) value = value << 8 | bytes_[offset + (little_ ? width - 1 - i : i)];
    return value;
  }
  /// The number of a TIFF type; 0 for bytes and text, which are none.
  [[nodiscard]] double value(std::uint64_t offset, std::uint64_t type) const {
    const auto u32 = [&](std::uint64_t at) { return static_cast<std::uint32_t>(number(at, 4)); };
    const auto i32 = [&](std::uint64_t at) { return static_cast<std::int32_t>(u32(at)); };
    switch (type) {
      case 3:
      case 4:
      case 13:
      case 16:
        return static_cast<double>(number(offset, tiff_type_bytes[type]));
      case 5:
        return u32(offset + 4) == 0 ? 0.0 : static_cast<double>(u32(offset)) / u32(offset + 4);
      case 6:
        return static_cast<std::int8_t>(number(offset, 1));
      case 8:
        return static_cast<std::int16_t>(number(offset, 2));
      case 9:
        return i32(offset);
      case 10:
        return i32(offset + 4) == 0 ? 0.0 : static_cast<double>(i32(offset)) / i32(offset + 4);
      case 11:
        return std::bit_cast<float>(u32(offset));
      case 12:
        return std::bit_cast<double>(number(offset, 8));
      default:
        return 0.0;
    }
  }

 private:
  View<const std::uint8_t> bytes_;
  bool little_;
};

/// 1 to 8, or 1 for a value that means nothing.
inline int valid_orientation(double value) {
  for (int orientation = 2; orientation <= 8; ++orientation) {
    if (value == orientation) return orientation;
  }
  return 1;
}

}  // namespace detail

/// The orientation (1 to 8) in EXIF data: a TIFF structure, with up to two "Exif\0\0" in front of it. None where it has
/// no such tag, or is damaged before it; 1, upright, where the tag's value or the whole structure is invalid.
inline std::optional<int> exif_orientation(View<const std::uint8_t> exif) {
  constexpr std::uint64_t orientation_tag = 0x112;
  constexpr std::string_view prefix("Exif\0\0", 6);
  for (int times = 0; times < 2; ++times) {
    if (std::string_view(reinterpret_cast<const char*>(exif.data()), exif.size()).starts_with(prefix)) {
      exif = exif.subspan(prefix.size());
    }
  }
  if (exif.empty()) return std::nullopt;
  const detail::TiffReader reader(exif);
  if (!reader.holds(0, 8)) return 1;
  const std::uint64_t order = reader.number(0, 2), version = reader.number(2, 2);
  if (order != (exif[0] == 'I' ? 0x4949u : 0x4d4du) || (version != 42 && version != 42 << 8)) return 1;
  const std::uint64_t directory = reader.number(4, 4);
  if (!reader.holds(directory, 2)) return std::nullopt;
  const std::uint64_t entries = reader.number(directory, 2);
  std::uint64_t far_bytes = 0;  // of values that do not fit into their entries
  for (std::uint64_t i = 0; i < entries; ++i) {
    const std::uint64_t entry = directory + 2 + 12 * i;  // tag 2, type 2, count 4, value or its offset 4
    if (!reader.holds(entry, 12)) return std::nullopt;
    const std::uint64_t type = reader.number(entry + 2, 2);
    const std::uint64_t width = type < detail::tiff_type_bytes.size() ? detail::tiff_type_bytes[type] : 0;
    const std::uint64_t size = reader.number(entry + 4, 4) * width;
    if (size == 0) continue;
    std::uint64_t value = entry + 8;
    if (size > 4) {
      far_bytes += size;
      if (far_bytes > exif.size()) continue;
      value = reader.number(entry + 8, 4);
      if (!reader.holds(value, size)) return std::nullopt;
    }
    if (reader.number(entry, 2) == orientation_tag) return detail::valid_orientation(reader.value(value, type));
  }
  return std::nullopt;
}

/// The orientation in XMP, as an attribute (tiff:Orientation="6") or an element (<tiff:Orientation>6<); none without.
inline std::optional<int> xmp_orientation(std::string_view xmp) {
  constexpr std::string_view name = "tiff:Orientation";
  for (std::size_t at = xmp.find(name); at != std::string_view::npos; at = xmp.find(name, at + 1)) {
    std::string_view rest = xmp.substr(at + name.size());
    if (!rest.starts_with("=\"") && !rest.starts_with('>')) continue;
    rest.remove_prefix(rest.front() == '>' ? 1 : 2);
    if (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
      return detail::valid_orientation(rest.front() - '0');
    }
  }
  return std::nullopt;
}

/// What EXIF data (empty: none) says, or else XMP, or else 1.
inline int image_orientation(std::string_view exif, std::string_view xmp) {
  const auto from_exif = exif_orientation({reinterpret_cast<const std::uint8_t*>(exif.data()), exif.size()});
  return from_exif ? *from_exif : xmp_orientation(xmp).value_or(1);
}

}  // namespace tessera
