// The parts of a JPEG file, without decoding it. ITU-T T.81, annex B.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include <tessera/core/types.hpp>
#include <tessera/io/orientation.hpp>

namespace tessera::detail {

inline constexpr std::uint8_t jpeg_app1 = 0xe1, jpeg_start_of_scan = 0xda;

/// One segment: FF, marker, and where the marker has one a length of two bytes and its content.
struct JpegSegment {
  std::uint8_t marker = 0;
  std::string_view content;
  std::size_t end = 0;  ///< where what follows begins
};

/// The first segment that starts at `at` or, behind bytes that are none, later. False at the end of the file, also if
/// it is inside the segment.
inline bool next_segment(std::string_view file, std::size_t at, JpegSegment& segment) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(file[i]); };
  while (at < file.size() && byte(at) != 0xff) ++at;
  while (at < file.size() && byte(at) == 0xff) ++at;  // any number of them
  if (at >= file.size()) return false;
  segment = {byte(at), {}, at + 1};
  const std::uint8_t m = segment.marker;
  const bool alone = m <= 0xbf || m == 0xc8 || (m >= 0xd0 && m <= 0xd9) || (m >= 0xf0 && m <= 0xfd);
  if (alone) return true;
  if (file.size() - segment.end < 2) return false;
  const std::size_t length = byte(segment.end) << 8 | byte(segment.end + 1);
  if (length < 2 || length > file.size() - segment.end) return false;
  segment.content = file.substr(segment.end + 2, length - 2);
  segment.end += length;
  return true;
}

/// Where the marker behind the next scan starts, restart markers aside: the end of that scan's data.
inline std::size_t end_of_scan(std::string_view file, std::size_t at) {
  JpegSegment segment;
  do {
    if (!next_segment(file, at, segment)) return file.size();
    at = segment.end;
  } while (segment.marker != jpeg_start_of_scan);
  for (; (at = file.find('\xff', at)) != std::string_view::npos && at + 1 < file.size(); ++at) {
    const auto next = static_cast<std::uint8_t>(file[at + 1]);
    if (next != 0 && next != 0xff && (next < 0xd0 || next > 0xd7)) return at;
  }
  return file.size();
}

/// What must be known before libjpeg sees the file.
struct JpegHeader {
  int orientation = 1;
  bool arithmetic = false;
};

/// EXIF data may go on in further segments; the last XMP counts. (Pillow's JpegImagePlugin.)
inline JpegHeader read_jpeg_header(std::string_view file) {
  constexpr std::string_view exif_name("Exif\0\0", 6), xmp_name("http://ns.adobe.com/xap/1.0/\0", 29);
  constexpr std::size_t most_exif = std::size_t{1} << 20;
  JpegHeader header;
  std::string exif;
  std::string_view xmp;
  JpegSegment segment;
  for (std::size_t at = 2; next_segment(file, at, segment) && segment.marker != jpeg_start_of_scan; at = segment.end) {
    const std::uint8_t m = segment.marker;
    header.arithmetic = header.arithmetic || (m >= 0xc9 && m <= 0xcf && m != 0xcc);
    if (m != jpeg_app1) continue;
    if (segment.content.starts_with(exif_name) && exif.size() < most_exif) {
      exif += segment.content.substr(exif.empty() ? 0 : exif_name.size());
    } else if (segment.content.starts_with(xmp_name)) {
      xmp = segment.content.substr(xmp_name.size());
    }
  }
  header.orientation = image_orientation(exif, xmp);
  return header;
}

}  // namespace tessera::detail
