// Photographs in and pictures out: JPEG and PNG. Needs libjpeg-turbo and libpng (CMake target tessera::image_io).
#pragma once

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/data/pixels.hpp>
#include <tessera/io/atomic_file.hpp>
#include <tessera/io/file_kind.hpp>
#include <tessera/io/image_limits.hpp>
#include <tessera/io/jpeg.hpp>
#include <tessera/io/png.hpp>
#include <tessera/io/read_file.hpp>

namespace tessera {

/// Reads a JPEG or PNG file, told apart by its content, as upright RGB: the pixels of Pillow 13's
/// ImageOps.exif_transpose(Image.open(path)).convert("RGB") (differences: decode_png). At most 2^28 pixels, and what
/// the limits allow. Throws Error(file_access) or Error(bad_file).
inline Pixels read_image(const std::filesystem::path& path, const ImageLimits& limits = {}) {
  const FileReader file(path);
  std::vector<std::byte> bytes(std::min(file.size(), file_kind_bytes));
  bytes.resize(file.read(0, bytes));
  const std::string_view kind = describe_content(bytes);
  const auto decode = kind == "a JPEG image" ? &decode_jpeg : kind == "a PNG image" ? &decode_png : nullptr;
  if (decode == nullptr) throw Error(ErrorCode::bad_file, path.string(), kind, "a JPEG or PNG file");
  bytes = file.read_all(limits.memory);
  return decode(path.string(), bytes, limits);
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
