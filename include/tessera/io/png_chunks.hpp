// The chunks of a PNG file, without decoding it. PNG specification, third edition, sections 5 and 11; where a file is
// damaged, what Pillow's PngImagePlugin makes of it.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/io/orientation.hpp>

namespace tessera::detail {

inline std::uint32_t png_number(std::string_view bytes) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[static_cast<std::size_t>(i)]);
  return value;
}

/// One chunk: length, type, content, checksum. Where the file ends inside it, what there is.
struct PngChunk {
  std::string_view type, content;
  bool cut = false;     ///< the content is not whole
  bool intact = false;  ///< the checksum is right
  std::size_t end = 0;  ///< where the next chunk begins
};

/// False at the end of the file, and for what is no chunk.
inline bool read_png_chunk(std::string_view file, std::size_t at, PngChunk& chunk, bool verify) {
  if (at > file.size() || file.size() - at < 8) return false;
  const std::size_t length = png_number(file.substr(at));
  chunk = {file.substr(at + 4, 4), file.substr(at + 8, length), false, false, at + 12 + length};
  const auto letter = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  if (!std::all_of(chunk.type.begin(), chunk.type.end(), letter)) return false;
  chunk.cut = chunk.content.size() < length;
  if (!verify || chunk.end > file.size()) return true;
  const auto* bytes = reinterpret_cast<const Bytef*>(chunk.type.data());  // the content follows its type
  chunk.intact = ::crc32_z(0, bytes, 4 + length) == png_number(file.substr(at + 8 + length));
  return true;
}

/// The texts of a PNG file that may turn it, and its EXIF data. The last of each counts.
class PngMetadata {
 public:
  void take(const PngChunk& chunk) {
    if (chunk.type == "eXIf") {
      exif_ = chunk.content.substr(0, most_plain);
    } else if (chunk.type == "tEXt" || chunk.type == "zTXt" || chunk.type == "iTXt") {
      take_text(chunk);
    }
  }

  [[nodiscard]] int orientation() const {
    return image_orientation(exif_ ? *exif_ : profile_ ? from_hex(*profile_) : std::string(), xmp_);
  }

 private:
  /// Bytes that are looked at: of a text that is not compressed, of one that is, and (both as in Pillow) of all those.
  static constexpr std::size_t most_plain = std::size_t{4} << 20;
  static constexpr std::size_t most_text = std::size_t{1} << 20, most_texts = std::size_t{64} << 20;

  void take_text(const PngChunk& chunk) {
    std::string_view rest = chunk.content;
    const std::string_view key = cut_at_zero(rest);
    bool compressed = chunk.type == "zTXt";
    if (compressed) {
      if (!rest.empty() && rest[0] != 0) return;  // an unknown method
      rest.remove_prefix(std::min<std::size_t>(1, rest.size()));
    } else if (chunk.type == "iTXt") {
      if (rest.size() < 2) return;
      compressed = rest[0] != 0;
      if (compressed && rest[1] != 0) return;
      rest.remove_prefix(2);
      cut_at_zero(rest);  // the language
      cut_at_zero(rest);  // the key, translated
    }
    if (key == "XML:com.adobe.xmp") {
      xmp_ = compressed ? inflated(rest) : std::string(rest.substr(0, most_plain));
    } else if (key == "Raw profile type exif") {
      profile_ = compressed ? inflated(rest) : std::string(rest.substr(0, most_plain));
    } else if (key == "exif" && chunk.type == "tEXt") {
      exif_ = rest.substr(0, most_plain);
    }
  }

  static std::string_view cut_at_zero(std::string_view& text) {
    const std::size_t zero = std::min(text.find('\0'), text.size());
    const std::string_view head = text.substr(0, zero);
    text.remove_prefix(std::min(zero + 1, text.size()));
    return head;
  }

  /// Empty if it is damaged.
  std::string inflated(std::string_view packed) {
    constexpr std::size_t most_ratio = 1032;  // of deflate
    const std::size_t room = std::min({most_text, most_texts - inflated_, packed.size() * most_ratio});
    std::string text(room, '\0');
    z_stream stream{};
    if (::inflateInit(&stream) != Z_OK) return {};
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(std::min<std::size_t>(packed.size(), most_texts));
    stream.next_out = reinterpret_cast<Bytef*>(text.data());
    stream.avail_out = static_cast<uInt>(room);
    const int result = ::inflate(&stream, Z_SYNC_FLUSH);
    text.resize(room - stream.avail_out);
    ::inflateEnd(&stream);
    inflated_ += text.size();
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? text : std::string();
  }

  /// ImageMagick's form: a name and a length on the first lines, then digits.
  static std::string from_hex(std::string_view text) {
    for (int line = 0; line < 3; ++line) {
      const std::size_t end = text.find('\n');
      text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    }
    std::string bytes;
    int digits = 0, value = 0;
    for (const char c : text.substr(0, std::min(text.size(), 2 * most_text))) {
      if (std::isspace(static_cast<unsigned char>(c)) != 0) continue;
      if (std::isxdigit(static_cast<unsigned char>(c)) == 0) break;
      value = (value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10)) & 0xff;
      if (++digits % 2 == 0) bytes += static_cast<char>(value);
    }
    return bytes;
  }

  std::optional<std::string> exif_, profile_;
  std::string xmp_;
  std::size_t inflated_ = 0;
};

/// What decoding needs of a file: `header` has 13 bytes, `palette` may be empty, image data begin at `data`.
struct PngParts {
  std::string_view header, palette;
  std::size_t data = 0;
  int orientation = 1;
};

/// Everything before the image data must be intact, the image data are left to the decoder, and what follows them may
/// be missing, but not begin and be cut. Throws Error(bad_file).
inline PngParts read_png_parts(std::string_view name, std::string_view file) {
  const auto fail = [&](std::string_view found) {
    throw Error(ErrorCode::bad_file, name, found, "a complete PNG file");
  };
  PngParts parts;
  PngMetadata metadata;
  PngChunk chunk;
  std::size_t at = 8;
  for (; read_png_chunk(file, at, chunk, true) && chunk.type != "IDAT" && chunk.type != "IEND"; at = chunk.end) {
    if (chunk.end > file.size()) fail("the end of the file in front of the image");
    if (!chunk.intact) fail("a chunk with a wrong checksum");
    if (chunk.type == "IHDR") parts.header = chunk.content.substr(0, 13);
    if (chunk.type == "PLTE") parts.palette = chunk.content;
    metadata.take(chunk);
  }
  if (chunk.type != "IDAT" || parts.header.size() < 13) fail("no image");
  parts.data = at;
  for (bool data = true; read_png_chunk(file, at, chunk, false) && chunk.type != "IEND"; at = chunk.end) {
    data = data && chunk.type == "IDAT";
    if (chunk.cut && !data) fail("the end of the file inside a chunk");
    metadata.take(chunk);
  }
  parts.orientation = metadata.orientation();
  return parts;
}

}  // namespace tessera::detail
