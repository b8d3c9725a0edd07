// Photographs in and pictures out: JPEG and PNG. Needs libjpeg-turbo and libpng (CMake target tessera::image_io).
#pragma once

#include <cstring>
#include <filesystem>
#include <string_view>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/data/pixels.hpp>
#include <tessera/io/atomic_file.hpp>
#include <tessera/io/jpeg.hpp>
#include <tessera/io/mapped_file.hpp>
#include <tessera/io/png.hpp>

namespace tessera {

/// Reads a JPEG or PNG file, told apart by its content, as upright RGB: the pixels of Pillow's
/// ImageOps.exif_transpose(Image.open(path)).convert("RGB") (differences: decode_png). At most 2^28 pixels.
/// Throws Error(file_access) or Error(bad_file).
inline Pixels read_image(const std::filesystem::path& path) {
  const MappedFile file(path);
  const View<const std::byte> bytes = file.bytes();
  const auto starts_with = [&](std::string_view signature) {
    return bytes.size() >= signature.size() && std::memcmp(bytes.data(), signature.data(), signature.size()) == 0;
  };
  if (starts_with("\xff\xd8\xff")) return decode_jpeg(path.string(), bytes);
  if (starts_with("\x89PNG\r\n\x1a\n")) return decode_png(path.string(), bytes);
  throw Error(ErrorCode::bad_file, path.string(), bytes.empty() ? "an empty file" : "no image signature",
              "a JPEG or PNG file");
}

/// Writes an 8-bit grey or RGB PNG file atomically (io/atomic_file.hpp).
/// Throws Error(bad_argument) for other shapes and Error(file_access).
inline void write_png(const std::filesystem::path& path, const Pixels& pixels) {
  const std::vector<std::byte> bytes = encode_png(path.string(), pixels);
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace tessera
