// Mutated image files (fuzz/mutate.hpp). Decoding may take the memory that its limits allow, and no more.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include <tessera/io/image.hpp>

#include <files.hpp>
#include <fuzz/mutate.hpp>
#include <image_files.hpp>
#include <peak_memory.hpp>

namespace {

using namespace tessera_test;

/// Changes chunks and their order, and writes right checksums, so that the changes reach the chunks' readers.
void mutate_png(Random& random, std::string& bytes) {
  std::vector<std::pair<std::string, std::string>> chunks;  // type, data
  for (std::size_t at = 8; at + 12 <= bytes.size();) {
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<std::uint8_t>(bytes[at + i]);
    chunks.emplace_back(bytes.substr(at + 4, 4), bytes.substr(at + 8, length));
    at += 12 + length;
  }
  for (std::size_t times = random.below(3) + 1; times > 0; --times) {
    const std::size_t i = random.below(chunks.size()), j = random.below(chunks.size());
    switch (random.below(6)) {
      case 0:
        std::swap(chunks[i], chunks[j]);
        break;
      case 1:
        chunks.insert(chunks.begin() + static_cast<std::ptrdiff_t>(i), chunks[j]);
        break;
      case 2:
        mutate_bytes(random, chunks[i].first);
        chunks[i].first.resize(4, 'x');
        break;
      default:
        mutate_bytes(random, chunks[i].second);
    }
  }
  bytes.resize(8);
  for (const auto& [type, data] : chunks) bytes += chunk(type, data);
}

/// Changes segments and their order in front of the first scan; the lengths stay right.
void mutate_jpeg(Random& random, std::string& bytes) {
  std::vector<std::pair<int, std::string>> segments;  // marker, data
  std::size_t at = 2;
  for (int marker = 0; marker != 0xda; at += 2 + segments.back().second.size() + 2) {
    marker = static_cast<std::uint8_t>(bytes[at + 1]);
    const std::size_t length =
        static_cast<std::uint8_t>(bytes[at + 2]) * 256u + static_cast<std::uint8_t>(bytes[at + 3]);
    segments.emplace_back(marker, bytes.substr(at + 4, length - 2));
  }
  for (std::size_t times = random.below(3) + 1; times > 0; --times) {
    const std::size_t i = random.below(segments.size()), j = random.below(segments.size());
    switch (random.below(6)) {
      case 0:
        std::swap(segments[i], segments[j]);
        break;
      case 1:
        segments.insert(segments.begin() + static_cast<std::ptrdiff_t>(i), segments[j]);
        break;
      case 2:
        segments[i].first = static_cast<std::uint8_t>(random.byte());
        break;
      default:
        mutate_bytes(random, segments[i].second);
    }
  }
  std::string start = "\xff\xd8";
  for (const auto& [marker, data] : segments) start += segment(marker, data);
  bytes.replace(0, at, start);
}

Pixels noise(Index height, Index width, Index channels) {
  Random random(7);
  Pixels pixels(height, width, channels);
  for (std::uint8_t& value : pixels.values) value = static_cast<std::uint8_t>(random.byte());
  return pixels;
}

const std::string exif_name("Exif\0\0", 6);

Seeds jpeg_seeds() {
  const std::string exif = exif_name + tiff(true, 0x112, 3, 1, 6), double_exif = exif_name + exif;
  const std::string xmp = std::string("http://ns.adobe.com/xap/1.0/\0", 29) + "<x tiff:Orientation=\"8\"/>";
  const auto progressive = [](jpeg_compress_struct& codec) { jpeg_simple_progression(&codec); };
  const auto arithmetic = [](jpeg_compress_struct& codec) { codec.arith_code = TRUE; };
  const auto both = [&](jpeg_compress_struct& codec) { arithmetic(codec), progressive(codec); };
  const auto restarts = [](jpeg_compress_struct& codec) { codec.restart_interval = 1; };
  const auto all = [&](jpeg_compress_struct& codec) { both(codec), restarts(codec); };
  const auto low_quality = [](jpeg_compress_struct& codec) { jpeg_set_quality(&codec, 10, TRUE); };
  return {make_jpeg(noise(17, 19, 3), JCS_RGB, exif),
          make_jpeg(noise(16, 24, 3), JCS_RGB, double_exif, progressive),
          make_jpeg(noise(24, 16, 3), JCS_RGB, xmp, arithmetic),
          make_jpeg(noise(24, 16, 3), JCS_RGB, xmp, both),
          make_jpeg(noise(24, 16, 3), JCS_RGB, exif, all),
          make_jpeg(noise(40, 40, 3), JCS_RGB, {}, restarts),
          make_jpeg(noise(32, 32, 3), JCS_RGB, {}, low_quality),
          make_jpeg(noise(9, 9, 1), JCS_GRAYSCALE),
          make_jpeg(noise(8, 12, 4), JCS_CMYK, {}, [](jpeg_compress_struct& c) { jpeg_set_colorspace(&c, JCS_YCCK); })};
}

/// `bytes_per_row` bytes behind the filter type of each row, which runs through all five.
std::string png_rows(int height, int bytes_per_row) {
  Random random(9);
  std::string rows;
  for (int y = 0; y < height; ++y) {
    rows += static_cast<char>(y % 5);
    for (int i = 0; i < bytes_per_row; ++i) rows += random.byte();
  }
  return rows;
}

Seeds png_seeds() {
  const std::string palette =
      chunk("PLTE", "\x01\x02\x03\xf0\xe0\xd0\x10\x20\x30\x40\x50\x60") + chunk("tRNS", std::string("\xff\x00\x80", 3));
  const std::string extras = chunk("gAMA", std::string("\x00\x01\x86\xa0", 4)) +
                             chunk("tEXt", std::string("Title\0a picture", 15)) +
                             chunk("eXIf", tiff(false, 0x112, 3, 1, 8)) + chunk("bKGD", std::string("\0\1\0\2\0\3", 6));
  // The orientation 6, little-endian.
  const std::string profile = "\nexif\n      26\n49492a000800000001001201030001000000060000000000\n0000\n";
  const std::string profiles =
      chunk("zTXt", std::string("Raw profile type exif\0\0", 23) + deflated(profile)) +
      chunk("tEXt", std::string("Raw profile type exif\0", 22) + profile) +
      chunk("iTXt", std::string("XML:com.adobe.xmp\0\1\0\0\0", 22) + deflated("<tiff:Orientation>3<"));
  std::string passes;
  for (const auto& [width, height] :
       std::vector<std::pair<int, int>>{{1, 1}, {1, 1}, {2, 1}, {2, 2}, {4, 2}, {4, 4}, {8, 4}}) {
    passes += png_rows(height, width);
  }
  return {make_png(7, 6, 8, 2, png_rows(6, 21), extras),
          make_png(8, 4, 2, 3, png_rows(4, 2), palette),
          make_png(5, 5, 16, 6, png_rows(5, 40), profiles),
          make_png(9, 5, 1, 0, png_rows(5, 2)),
          make_png(4, 4, 8, 4, png_rows(4, 8)),
          make_png(8, 8, 8, 0, passes, profiles, 1),
          make_png(3, 1, 8, 0, std::string({0, 10, 0, 30, 0, 20}), {}, 1)};
}

/// Smaller than the default, so that large images do not take the test's time.
constexpr tessera::ImageLimits limits{.memory = std::size_t{32} << 20};

void load_image(const std::filesystem::path& path) {
  const Pixels pixels = tessera::read_image(path, limits);
  REQUIRE(pixels.height > 0);
  REQUIRE(pixels.values.size() == static_cast<std::size_t>(pixels.height * pixels.width * 3));
}

void run_images(const Seeds& seeds, const std::function<void(Random&, std::string&)>& mutate) {
  const PeakMemory peak;
  run(seeds, mutate, load_image);
#ifndef __SANITIZE_ADDRESS__  // which keeps what is freed
  CHECK(peak.taken() < limits.memory + (std::size_t{4} << 20));
#endif
}

}  // namespace

TEST_CASE("mutated JPEG files") {
  run_images(jpeg_seeds(), mutate_jpeg);
}

TEST_CASE("mutated PNG files") {
  run_images(png_seeds(), mutate_png);
}
