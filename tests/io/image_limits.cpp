#include <tessera/io/image_limits.hpp>

#include <doctest/doctest.h>

#include <tessera/io/image.hpp>

#include <files.hpp>
#include <image_files.hpp>
#include <peak_memory.hpp>

using namespace tessera_test;

namespace {

std::string line(const std::string& file, const tessera::ImageLimits& limits = {}) {
  const tessera::View<const std::byte> bytes = std::as_bytes(tessera::View<const char>(file.data(), file.size()));
  return error_line([&] {
    if (file[0] == '\x89')
      tessera::decode_png("x", bytes, limits);
    else
      tessera::decode_jpeg("x", bytes, limits);
  });
}

std::string frame(int marker, int side, int components) {
  const auto high = static_cast<char>(side >> 8), low = static_cast<char>(side);
  std::string data = {8, high, low, high, low, static_cast<char>(components)};
  for (int c = 1; c <= components; ++c) data += std::string({static_cast<char>(c), 0x11, 0});
  return segment(marker, data);
}
std::string scan(int first, int last, int coefficient_bits = 0) {
  return segment(0xda, std::string({1, 1, 0, static_cast<char>(first), static_cast<char>(last),
                                    static_cast<char>(coefficient_bits)}));
}
std::string start() {
  return "\xff\xd8" + segment(0xdb, std::string(1, '\0') + std::string(64, '\1'));
}
/// A Huffman table with one code, of one bit.
std::string table(int kind, char symbol) {
  return segment(0xc4, std::string(1, static_cast<char>(kind << 4)) + "\1" + std::string(15, '\0') + symbol);
}

/// Flat; after the first scan, `scans` more that say nothing: 15 bits for 16384 blocks.
std::string many_scans(int side, int scans) {
  const auto blocks = static_cast<std::size_t>(side / 8 * (side / 8));
  std::string file =
      start() + frame(0xc2, side, 1) + table(0, 0) + scan(0, 0) + std::string(blocks / 8 + 8, '\0') + table(1, '\xe0');
  const std::string nothing = scan(1, 63) + std::string(blocks / 8192 + 4, '\0');
  for (int i = 0; i < scans; ++i) file += nothing;
  return file + "\xff\xd9";
}

std::string wide_png(std::uint32_t width, std::uint32_t height, const std::string& rest) {
  std::string header;
  for (const std::uint32_t side : {width, height}) {
    for (int i = 3; i >= 0; --i) header += static_cast<char>(side >> (8 * i));
  }
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header + std::string({1, 0, 0, 0, 0})) + rest;
}

}  // namespace

TEST_CASE("limits: the memory that the tests measure is what is taken") {
  const PeakMemory peak;
  CHECK(std::vector<std::byte>(std::size_t{100} << 20, std::byte{1}).size() > 0);
  CHECK(peak.taken() > (std::size_t{90} << 20));
}

TEST_CASE("limits: few bytes of arithmetic-coded JPEG that declare many pixels are refused before memory is taken") {
  const PeakMemory peak;
  for (const int frame_marker : {0xc9, 0xca}) {
    const std::string file =
        start() + frame(frame_marker, 16384, 3) +
        segment(0xda, std::string({3, 1, 0, 2, 0, 3, 0, 0, frame_marker == 0xc9 ? '\x3f' : '\0', 0})) +
        std::string("\0\0\0\0\xff\xd9", 6);
    CHECK(file.size() < 120);
    CHECK(contains(line(file), "found 16384 x 16384 pixels from"));
  }
  CHECK(peak.taken() < (std::size_t{16} << 20));
}

TEST_CASE("limits: what a decoder will take is counted before it is taken") {
  const PeakMemory peak;
  const auto flat = [](bool progressive) {
    return make_jpeg(Pixels(1600, 1600, 3), JCS_RGB, {}, [&](jpeg_compress_struct& codec) {
      if (progressive) jpeg_simple_progression(&codec);
    });
  };
  const std::string baseline = flat(false), progressive = flat(true);
  constexpr std::size_t mebibyte = std::size_t{1} << 20;
  // 1600 x 1600: 7.3 MiB of pixels; progressive, 2 bytes for each of 1.5 samples a pixel: 7.4 MiB more.
  CHECK(line(baseline, {.memory = 9 * mebibyte}).empty());
  CHECK(contains(line(baseline, {.memory = 7 * mebibyte}),
                 "found an image that takes 8 MiB to decode, expected at most 7 MiB"));
  CHECK(line(progressive, {.memory = 18 * mebibyte}).empty());
  CHECK(contains(line(progressive, {.memory = 14 * mebibyte}),
                 "expected at most 14 MiB (ImageLimits::memory, --decode-memory)"));
  CHECK(contains(line(many_scans(16384, 1)), "expected at most 1024 MiB"));  // 768 MiB and 512 MiB
  const std::string data = chunk("IDAT", deflated(std::string(40000, '\0')) + std::string(40000, '\0'));
  const std::string turned = chunk("eXIf", tiff(true, 0x112, 3, 1, 6));
  std::string interlaced = wide_png(16000, 16000, turned + data);
  interlaced = "\x89PNG\r\n\x1a\n" + chunk("IHDR", interlaced.substr(16, 12) + "\1") + turned + data;
  CHECK(contains(line(interlaced), "expected at most 1024 MiB"));
  CHECK(contains(line(wide_png(1, 1u << 28, data)), "found 1 x 268435456 pixels, expected sides of at most 2^24"));
  CHECK(peak.taken() < 64 * mebibyte);
}

TEST_CASE("limits: texts and profiles of a PNG file take no memory") {
  const std::string bomb = deflated(std::string(std::size_t{48} << 20, '\0'), 9);
  const PeakMemory peak;
  std::string all;
  for (int i = 0; i < 4; ++i) {
    all += chunk("zTXt", std::string("a\0\0", 3) + bomb) + chunk("iCCP", std::string("a\0\0", 3) + bomb) +
           chunk("iTXt", std::string("XML:com.adobe.xmp\0\1\0\0\0", 22) + bomb) +
           chunk("zTXt", std::string("Raw profile type exif\0\0", 23) + bomb);
  }
  CHECK(line(make_png(2, 1, 8, 0, std::string("\0\1\2", 3), all)).empty());
  CHECK(peak.taken() < (std::size_t{64} << 20));  // the bombs together: 768 MiB
}

TEST_CASE("limits: scans, by their number and by the blocks that they visit") {
  CHECK(line(many_scans(64, 400)).empty());
  CHECK(contains(line(many_scans(64, 20000)), "expected at most 500 scans (ImageLimits::scans)"));
  CHECK(contains(line(many_scans(64, 20), {.scans = 20}), "expected at most 20 scans"));
  CHECK(line(many_scans(64, 19), {.scans = 20}).empty());
  CHECK(contains(line(many_scans(4096, 400)), "expected at most 256 scans of 4096 x 4096 pixels"));
}

TEST_CASE("limits: a scan of bits without its restart markers ends") {
  // Arithmetic, progressive, a restart after each of 64 blocks; the second scan refines and has none.
  std::string restarts;
  for (int i = 0; i < 63; ++i) restarts += {'\xff', static_cast<char>(0xd0 + i % 8)};
  const std::string file = start() + frame(0xca, 64, 1) + segment(0xdd, std::string("\0\1", 2)) + scan(0, 0, 0x01) +
                           restarts + scan(0, 0, 0x10) + "\1\2\3\4\xff\xd9";
  CHECK(contains(line(file), "the end of a scan inside the image"));
}
