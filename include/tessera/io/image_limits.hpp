// What the decoding of one image file may cost.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/data/pixels.hpp>

namespace tessera {

/// Files that need more are refused, and before it is taken. The default reads a baseline JPEG of 2^28 pixels.
struct ImageLimits {
  /// Bytes: the file's, the image's (3 a pixel), and what the decoder keeps beside them, which is 2 a sample of a
  /// progressive JPEG and the image once more for an interlaced PNG that must be turned.
  std::size_t memory = std::size_t{1} << 30;
  /// Scans of a JPEG; photographs have about 10.
  int scans = 500;
};

namespace detail {

/// Throws Error(bad_file) for an image that is too large.
inline void check_image_size(std::string_view file, std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0 || width <= max_pixels / height) return;
  throw Error(ErrorCode::bad_file, file, std::to_string(width) + " x " + std::to_string(height) + " pixels",
              "at most 2^28 pixels");
}

/// Throws Error(bad_file) if decoding takes more memory than it may.
inline void check_image_memory(std::string_view file, std::uint64_t bytes, const ImageLimits& limits) {
  if (bytes <= limits.memory) return;
  const auto mebibytes = [](std::uint64_t n) { return std::to_string((n + (1u << 20) - 1) >> 20) + " MiB"; };
  throw Error(ErrorCode::bad_file, file, "an image that takes " + mebibytes(bytes) + " to decode",
              "at most " + mebibytes(limits.memory) + " (ImageLimits::memory, --decode-memory)");
}

}  // namespace detail

}  // namespace tessera
