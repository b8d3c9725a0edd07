// What a file's first bytes say it is, in words for error lines: "found a WebP image, expected a JPEG or PNG file".
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <tessera/core/types.hpp>

namespace tessera {

/// A file's kind is told from this many bytes.
inline constexpr std::size_t file_kind_bytes = 1024;

/// What describe_content() says of bytes that it does not know.
inline constexpr std::string_view unknown_content = "bytes of no known format";

namespace detail {

/// `bytes` at `offset` mean `kind`; a '?' stands for any byte.
struct FileSignature {
  template <std::size_t size>
  constexpr FileSignature(std::size_t at, const char (&literal)[size], std::string_view name)
      : offset(at), bytes(literal, size - 1), kind(name) {}  // the literal may hold zeros

  std::size_t offset;
  std::string_view bytes, kind;
};

/// The first that fits decides.
inline constexpr FileSignature file_signatures[] = {
    {0, "\xff\xd8\xff", "a JPEG image"},
    {0, "\x89PNG\r\n\x1a\n", "a PNG image"},
    {0, "\x89PNG", "a PNG image damaged by a conversion of line ends"},
    {0, "\xef\xbf\xbdPNG", "a PNG image damaged by a conversion to UTF-8"},
    {0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "a binary file damaged by a conversion to UTF-8"},
    {0, "RIFF????WEBP", "a WebP image"},
    {0, "RIFF????AVI ", "an AVI video"},
    {0, "RIFF????WAVE", "a WAV sound"},
    {0, "GIF8?a", "a GIF image"},
    {0, "BM????\0\0\0\0", "a BMP image"},
    {0, "II*\0", "a TIFF image"},
    {0, "MM\0*", "a TIFF image"},
    {0, "II+\0", "a TIFF image"},
    {0, "MM\0+", "a TIFF image"},
    {4, "ftypavi", "an AVIF image"},
    {4, "ftyphe", "a HEIC image"},
    {4, "ftypmif1", "a HEIC image"},
    {4, "ftypmsf1", "a HEIC image"},
    {4, "ftypcrx ", "a camera's raw image"},
    {0, "FUJIFILMCCD-RAW", "a camera's raw image"},
    {4, "ftyp", "an MP4 or QuickTime video"},
    {0, "\x1a\x45\xdf\xa3", "a Matroska or WebM video"},
    {0, "\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"},
    {0, "\xff\x0a", "a JPEG XL image"},
    {0, "\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image"},
    {0, "\xff\x4f\xff\x51", "a JPEG 2000 image"},
    {0, "8BPS", "a Photoshop image"},
    {0, "gimp xcf", "a GIMP image"},
    {0, "qoif", "a QOI image"},
    {0, "v/1\x01", "an OpenEXR image"},
    {0, "#?RADIANCE", "a Radiance image"},
    {0, "\0\0\1\0", "an icon (.ico)"},
    {0, "DDS ", "a DDS image"},
    {0, "\x8aMNG\r\n\x1a\n", "an MNG animation"},
    {128, "DICM", "a DICOM image"},
    {0, "P5\n", "a PGM image"},
    {0, "P6\n", "a PPM image"},
    {0, "%PDF-", "a PDF document"},
    {0, "%!PS", "a PostScript document"},
    {0, "version https://git-lfs", "a Git LFS pointer, not the file itself (run git lfs pull)"},
    {0, "version https://hawser", "a Git LFS pointer, not the file itself (run git lfs pull)"},
    {0, "\x93NUMPY", "a NumPy array (.npy)"},
    {0, "\x89HDF\r\n\x1a\n", "an HDF5 file"},
    {0, "GGUF", "a GGUF model"},
    {0, "\x80\2", "a Python pickle"},
    {0, "\x80\3", "a Python pickle"},
    {0, "\x80\4", "a Python pickle"},
    {0, "\x80\5", "a Python pickle"},
    {0, "PK\3\4", "a zip archive (also .npz, .pt)"},
    {0, "PK\5\6", "a zip archive (also .npz, .pt)"},
    {0, "\x1f\x8b", "a gzip file"},
    {0, "BZh", "a bzip2 file"},
    {0,
     "\xfd"
     "7zXZ\0",
     "an xz file"},
    {0, "\x28\xb5\x2f\xfd", "a Zstandard file"},
    {0, "7z\xbc\xaf\x27\x1c", "a 7-Zip archive"},
    {0, "Rar!\x1a\7", "a RAR archive"},
    {257, "ustar", "a tar archive"},
    {0, "\0\5\x16\7", "a macOS AppleDouble file (._name), not the file itself"},
    {0,
     "\x7f"
     "ELF",
     "a program"},
};

inline bool fits(std::string_view bytes, const FileSignature& signature) {
  const std::string_view part = bytes.size() > signature.offset ? bytes.substr(signature.offset) : "";
  return part.size() >= signature.bytes.size() &&
         std::equal(signature.bytes.begin(), signature.bytes.end(), part.begin(),
                    [](char wanted, char found) { return wanted == '?' || wanted == found; });
}

/// A JSON object behind its length in eight bytes.
inline bool is_safetensors(std::string_view bytes) {
  std::uint64_t length = 0;
  if (bytes.size() < 9) return false;
  std::memcpy(&length, bytes.data(), sizeof length);
  return bytes[8] == '{' && length >= 2 && length <= 100'000'000;
}

/// UTF-8 without control characters; the last character may be cut.
inline bool is_text(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size();) {
    const auto first = static_cast<unsigned char>(bytes[i++]);
    if (first == 0x7f ||
        (first < 0x20 && std::string_view("\t\n\r\f\x1b").find(bytes[i - 1]) == std::string_view::npos))
      return false;
    if (first >= 0x80 && (first < 0xc2 || first > 0xf4)) return false;
    for (int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3; more > 0 && i < bytes.size(); --more) {
      if ((static_cast<unsigned char>(bytes[i++]) & 0xc0) != 0x80) return false;
    }
  }
  return true;
}

/// What a text is by its first characters, behind a byte order mark and white space.
inline std::string_view describe_text(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  if (text.starts_with('{') || text.starts_with('[')) return "JSON text";
  if (!text.starts_with('<')) return "text";
  const auto holds = [&](std::string_view part) {  // in capitals too
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    const auto same = [&](char a, char b) { return lower(a) == b; };
    return std::search(text.begin(), text.end(), part.begin(), part.end(), same) != text.end();
  };
  if (holds("<!doctype html") || holds("<html") || holds("<head") || holds("<body")) return "an HTML page";
  return holds("<svg") ? "an SVG drawing" : "an XML document";
}

}  // namespace detail

/// What a file that starts with these bytes is, with its article, fit for Error's `found`: "a WebP image", "an HTML
/// page", "an empty file". At least file_kind_bytes of the file should be there, or all of it.
inline std::string_view describe_content(View<const std::byte> bytes) {
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), file_kind_bytes));
  if (start.empty()) return "an empty file";
  if (detail::is_safetensors(start)) return "a safetensors file";
  for (const detail::FileSignature& signature : detail::file_signatures) {
    if (!detail::fits(start, signature)) continue;
    // HEIF's first brand may be general; then the list of compatible ones names the coding.
    const bool avif = signature.kind == "a HEIC image" && start.substr(0, 64).find("avif") != std::string_view::npos;
    return avif ? "an AVIF image" : signature.kind;
  }
  if (start.find_first_not_of('\0') == std::string_view::npos) return "nothing but zeros";
  if (start.starts_with("\xff\xfe") || start.starts_with("\xfe\xff")) return "UTF-16 text";
  return detail::is_text(start) ? detail::describe_text(start) : unknown_content;
}

}  // namespace tessera
