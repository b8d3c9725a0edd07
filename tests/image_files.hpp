// JPEG and PNG files for tests, made to measure.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

#include <jpeglib.h>

#include <tessera/data/pixels.hpp>

namespace tessera_test {

using tessera::Index;
using tessera::Pixels;

/// A JPEG file whose samples are in libjpeg's colour space `space`; `settings` may change the defaults.
inline std::string make_jpeg(
    const Pixels& pixels, J_COLOR_SPACE space, const std::string& exif = {},
    const std::function<void(jpeg_compress_struct&)>& settings = [](jpeg_compress_struct&) {}) {
  jpeg_error_mgr errors{};
  jpeg_compress_struct codec{};
  codec.err = jpeg_std_error(&errors);
  jpeg_create_compress(&codec);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&codec, &bytes, &size);
  codec.image_width = static_cast<JDIMENSION>(pixels.width);
  codec.image_height = static_cast<JDIMENSION>(pixels.height);
  codec.input_components = static_cast<int>(pixels.channels);
  codec.in_color_space = space;
  jpeg_set_defaults(&codec);
  jpeg_set_quality(&codec, 100, TRUE);
  settings(codec);
  jpeg_start_compress(&codec, TRUE);
  if (!exif.empty()) {
    jpeg_write_marker(&codec, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(exif.data()),
                      static_cast<unsigned>(exif.size()));
  }
  for (Index y = 0; y < pixels.height; ++y) {
    auto* row = const_cast<JSAMPROW>(pixels.row(y));
    jpeg_write_scanlines(&codec, &row, 1);
  }
  jpeg_finish_compress(&codec);
  jpeg_destroy_compress(&codec);
  std::string file(reinterpret_cast<const char*>(bytes), size);
  std::free(bytes);
  return file;
}

/// A TIFF structure with one entry.
inline std::string tiff(bool little, std::uint32_t tag, std::uint32_t type, std::uint32_t count, std::uint32_t value) {
  const auto number = [little](std::uint32_t x, int width) {
    std::string bytes;
    for (int i = 0; i < width; ++i) bytes += static_cast<char>(x >> (8 * (little ? i : width - 1 - i)));
    return bytes;
  };
  const std::string field = type == 3 ? number(value, 2) + number(0, 2) : number(value, 4);
  return (little ? "II" : "MM") + number(42, 2) + number(8, 4) + number(1, 2) + number(tag, 2) + number(type, 2) +
         number(count, 4) + field + number(0, 4);
}

inline std::string chunk(const std::string& type, const std::string& data) {
  const auto big_endian = [](std::uint32_t x) {
    std::string bytes;
    for (int i = 3; i >= 0; --i) bytes += static_cast<char>(x >> (8 * i));
    return bytes;
  };
  const std::string body = type + data;
  const auto crc = ::crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian(static_cast<std::uint32_t>(data.size())) + body + big_endian(static_cast<std::uint32_t>(crc));
}

/// A JPEG segment: a marker (0xe1: APP1) and what it holds.
inline std::string segment(int marker, const std::string& data) {
  const std::size_t length = data.size() + 2;
  return std::string({'\xff', static_cast<char>(marker), static_cast<char>(length >> 8), static_cast<char>(length)}) +
         data;
}

/// A JPEG file with `segments` in front of its own.
inline std::string with_segments(std::string jpeg, const std::string& segments) {
  return jpeg.insert(2, segments);
}

inline std::string deflated(const std::string& data, int level = 6) {
  std::string packed(::compressBound(data.size()), '\0');
  uLongf size = packed.size();
  ::compress2(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(data.data()), data.size(),
              level);
  packed.resize(size);
  return packed;
}

/// A PNG file put together by hand; `rows` holds filter byte 0 and the packed samples, row by row.
inline std::string make_png(std::uint32_t width, std::uint32_t height, int depth, int colour, const std::string& rows,
                            const std::string& before_data = {}, int interlaced = 0) {
  std::string header = {0,
                        0,
                        0,
                        static_cast<char>(width),
                        0,
                        0,
                        0,
                        static_cast<char>(height),
                        static_cast<char>(depth),
                        static_cast<char>(colour),
                        0,
                        0,
                        static_cast<char>(interlaced)};
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header) + before_data + chunk("IDAT", deflated(rows)) + chunk("IEND", {});
}

}  // namespace tessera_test
