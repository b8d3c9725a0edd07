#include <tessera/io/image.hpp>

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>

#include <files.hpp>
#include <image_files.hpp>

using tessera::Index;
using tessera::Pixels;
using namespace tessera_test;

namespace {

Pixels read(const std::string& bytes) {
  const TemporaryFolder folder;
  write_bytes(folder / "x", bytes);  // no extension: the content decides
  return tessera::read_image(folder / "x");
}

std::string line_for(const std::string& bytes) {
  const TemporaryFolder folder;
  write_bytes(folder / "x", bytes);
  const std::string line = error_line([&] { tessera::read_image(folder / "x"); });
  CHECK((line.empty() || line.starts_with((folder / "x").string() + ": ")));
  CHECK(line.find('\n') == std::string::npos);
  return line;
}

std::vector<std::uint8_t> values(const std::string& png) {
  return read(png).values;
}

using Bytes = std::vector<std::uint8_t>;

/// 16 x 24; smooth, so that JPEG at quality 100 keeps it within a few levels; no symmetry.
Pixels sample_image() {
  Pixels pixels(16, 24, 3);
  for (Index y = 0; y < 16; ++y) {
    for (Index x = 0; x < 24; ++x) {
      std::uint8_t* p = pixels.row(y) + 3 * x;
      p[0] = static_cast<std::uint8_t>(10 * x);
      p[1] = static_cast<std::uint8_t>(15 * y);
      p[2] = static_cast<std::uint8_t>(5 * x + 5 * y);
    }
  }
  return pixels;
}

int largest_difference(const Pixels& a, const Pixels& b) {
  REQUIRE(a.height == b.height);
  REQUIRE(a.width == b.width);
  int largest = 0;
  for (std::size_t i = 0; i < a.values.size(); ++i) largest = std::max(largest, std::abs(a.values[i] - b.values[i]));
  return largest;
}

/// Where the pixel that is stored at (y, x) of a height x width image is seen: EXIF 2.3, table 6.
std::pair<Index, Index> seen_at(int orientation, Index y, Index x, Index height, Index width) {
  switch (orientation) {
    case 2:
      return {y, width - 1 - x};
    case 3:
      return {height - 1 - y, width - 1 - x};
    case 4:
      return {height - 1 - y, x};
    case 5:
      return {x, y};
    case 6:
      return {x, height - 1 - y};
    case 7:
      return {width - 1 - x, height - 1 - y};
    case 8:
      return {width - 1 - x, y};
    default:
      return {y, x};
  }
}

}  // namespace

TEST_CASE("png: what is written is read, grey and RGB") {
  const TemporaryFolder folder;
  const Pixels rgb = sample_image();
  tessera::write_png(folder / "rgb", rgb);
  CHECK(tessera::read_image(folder / "rgb") == rgb);

  const Pixels grey = tessera::to_grey(rgb);
  tessera::write_png(folder / "grey", grey);
  const Pixels again = tessera::read_image(folder / "grey");
  CHECK(again.channels == 3);
  for (std::size_t i = 0; i < grey.values.size(); ++i) {
    for (std::size_t c = 0; c < 3; ++c) REQUIRE(again.values[3 * i + c] == grey.values[i]);
  }
  CHECK(contains(error_line([&] { tessera::write_png(folder / "x", Pixels(0, 4)); }), "0 x 4 x 3"));
  CHECK(contains(error_line([&] { tessera::write_png(folder / "x", Pixels(4, 4, 2)); }), "4 x 4 x 2"));
}

TEST_CASE("to_grey is Pillow's convert(\"L\")") {
  Pixels rgb(1, 4, 3);
  rgb.values = {255, 255, 255, 200, 100, 50, 1, 2, 3, 0, 0, 255};
  CHECK(tessera::to_grey(rgb).values == Bytes{255, 124, 2, 29});
}

TEST_CASE("png: every colour type and depth") {
  const std::string nul(1, '\0');
  CHECK(values(make_png(4, 1, 1, 0, nul + "\xa0")) == Bytes{255, 255, 255, 0, 0, 0, 255, 255, 255, 0, 0, 0});
  CHECK(values(make_png(4, 1, 2, 0, nul + "\x1b")) == Bytes{0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255});
  CHECK(values(make_png(2, 1, 4, 0, nul + "\x3f")) == Bytes{51, 51, 51, 255, 255, 255});
  CHECK(values(make_png(1, 1, 8, 0, nul + "\x7b")) == Bytes{123, 123, 123});
  // 16 bits: the upper byte. 0x12ff gives 0x12, not the nearest 0x13.
  CHECK(values(make_png(1, 1, 16, 0, nul + "\x12\xff")) == Bytes{0x12, 0x12, 0x12});
  CHECK(values(make_png(1, 1, 16, 2, nul + "\x12\xff\x34\x80\xff\xfe")) == Bytes{0x12, 0x34, 0xff});
  // Alpha is dropped, also where the pixel is invisible.
  CHECK(values(make_png(1, 1, 8, 4, nul + std::string("\x50\x00", 2))) == Bytes{0x50, 0x50, 0x50});
  CHECK(values(make_png(1, 1, 8, 6, nul + std::string("\x10\x20\x30\x00", 4))) == Bytes{0x10, 0x20, 0x30});
  CHECK(values(make_png(1, 1, 16, 6, nul + std::string("\x10\x00\x20\x00\x30\x00\x00\x01", 8))) ==
        Bytes{0x10, 0x20, 0x30});
  CHECK(values(make_png(1, 1, 16, 4, nul + std::string("\x77\x00\x00\x01", 4))) == Bytes{0x77, 0x77, 0x77});
  // A palette of two colours, the second transparent; a transparent grey level and colour.
  const std::string palette = chunk("PLTE", "\x01\x02\x03\xf0\xe0\xd0") + chunk("tRNS", std::string("\xff\x00", 2));
  CHECK(values(make_png(2, 1, 1, 3, nul + "\x40", palette)) == Bytes{1, 2, 3, 0xf0, 0xe0, 0xd0});
  CHECK(values(make_png(2, 1, 8, 3, nul + std::string("\x01\x00", 2), palette)) == Bytes{0xf0, 0xe0, 0xd0, 1, 2, 3});
  CHECK(values(make_png(1, 1, 8, 0, nul + "\x7b", chunk("tRNS", std::string("\x00\x7b", 2)))) == Bytes{123, 123, 123});
  // A gamma and a physical size change nothing.
  CHECK(values(make_png(1, 1, 8, 0, nul + "\x7b", chunk("gAMA", std::string("\x00\x01\x86\xa0", 4)))) ==
        Bytes{123, 123, 123});
}

TEST_CASE("png: interlaced") {
  // 3 x 1: the Adam7 passes hold column 0, then column 2, then column 1.
  const std::string rows = {0, 10, 0, 30, 0, 20};
  CHECK(values(make_png(3, 1, 8, 0, rows, {}, 1)) == Bytes{10, 10, 10, 20, 20, 20, 30, 30, 30});
}

TEST_CASE("png: an eXIf chunk turns the image, before or after the data") {
  const std::string rows = {0, 10, 20};
  const std::string exif = chunk("eXIf", tiff(false, 0x112, 3, 1, 6));
  const Pixels turned = read(make_png(2, 1, 8, 0, rows, exif));
  CHECK(turned.height == 2);
  CHECK(turned.width == 1);
  CHECK(turned.values == Bytes{10, 10, 10, 20, 20, 20});
  std::string late = make_png(2, 1, 8, 0, rows);
  late.insert(late.size() - 12, chunk("eXIf", tiff(true, 0x112, 3, 1, 2)));
  CHECK(values(late) == Bytes{20, 20, 20, 10, 10, 10});
}

TEST_CASE("png: what is damaged up to the last row is refused, what is damaged behind it is read") {
  // 8: signature, 25: IHDR, then IDAT with 8 + 11 + 4 bytes, whose last 4 bytes of data are a checksum, 12: IEND.
  const std::string whole = make_png(2, 1, 8, 0, std::string("\0\1\2", 3));
  REQUIRE(whole.size() == 68);
  const auto pixels = values(whole);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    if (size < 47)
      CHECK(line_for(whole.substr(0, size)) != "");
    else
      CHECK(values(whole.substr(0, size)) == pixels);
  }
  for (std::size_t at = 8; at < whole.size(); ++at) {
    CAPTURE(at);
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    const bool length = at >= 33 && at < 37;  // of the data, which end by themselves
    if (length || at >= 52)
      CHECK(values(flipped) == pixels);
    else if (at != 47)  // the last bits of the data, which may not matter
      CHECK(line_for(flipped) != "");
  }
}

TEST_CASE("png: chunks behind the image may be missing or wrong, but not cut") {
  const auto with_end = [](const std::string& end) {
    const std::string whole = make_png(2, 1, 8, 0, std::string("\0\1\2", 3));
    return whole.substr(0, whole.size() - 12) + end;
  };
  const Bytes pixels = {1, 1, 1, 2, 2, 2};
  const std::string text = chunk("tEXt", std::string("a\0b", 3));
  CHECK(values(with_end("")) == pixels);
  CHECK(values(with_end(text)) == pixels);
  CHECK(values(with_end(text.substr(0, 7))) == pixels);         // no chunk yet
  CHECK(values(with_end(text.substr(0, 12))) == pixels);        // a cut checksum
  CHECK(line_for(with_end(text.substr(0, 9))) != "");           // a cut text
  CHECK(values(with_end(text.substr(0, 14) + "x")) == pixels);  // a wrong checksum
  CHECK(values(with_end("trailer of some other program")) == pixels);
  CHECK(values(with_end(chunk("IEND", "") + text.substr(0, 9))) == pixels);
}

TEST_CASE("png: image data that end before the last row are refused") {
  CHECK(contains(line_for(make_png(9, 9, 8, 0, "\1")), "Not enough image data"));
  CHECK(line_for(make_png(0, 1, 8, 0, "\1")) != "");
  std::string huge = "\x89PNG\r\n\x1a\n";
  huge += chunk("IHDR", std::string("\x00\x00\x80\x00\x00\x00\x80\x00\x08\x02\x00\x00\x00", 13));
  huge += chunk("IDAT", "x");
  CHECK(contains(line_for(huge), "found 32768 x 32768 pixels, expected at most 2^28"));
  std::string large = "\x89PNG\r\n\x1a\n";
  large += chunk("IHDR", std::string("\x00\x00\x20\x00\x00\x00\x20\x00\x08\x02\x00\x00\x00", 13));
  large += chunk("IDAT", "x");
  CHECK(contains(line_for(large), "found 8192 x 8192 pixels from 46 bytes"));
}

TEST_CASE("jpeg: baseline, progressive, arithmetic, RGB and grey are close to the original") {
  const Pixels original = sample_image();
  const auto full_colour = [](jpeg_compress_struct& codec) {
    codec.comp_info[0].h_samp_factor = codec.comp_info[0].v_samp_factor = 1;
  };
  CHECK(largest_difference(read(make_jpeg(original, JCS_RGB, {}, full_colour)), original) <= 3);
  CHECK(largest_difference(read(make_jpeg(original, JCS_RGB)), original) <= 12);  // colour at half the resolution
  CHECK(read(make_jpeg(original, JCS_RGB, {}, [](jpeg_compress_struct& codec) { jpeg_simple_progression(&codec); })) ==
        read(make_jpeg(original, JCS_RGB)));
  CHECK(read(make_jpeg(original, JCS_RGB, {}, [](jpeg_compress_struct& codec) { codec.arith_code = TRUE; })) ==
        read(make_jpeg(original, JCS_RGB)));
  CHECK(largest_difference(read(make_jpeg(original, JCS_RGB, {},
                                          [](jpeg_compress_struct& codec) { jpeg_set_colorspace(&codec, JCS_RGB); })),
                           original) <= 2);

  const Pixels grey = tessera::to_grey(original);
  const Pixels decoded = read(make_jpeg(grey, JCS_GRAYSCALE));
  CHECK(decoded.channels == 3);
  for (std::size_t i = 0; i < grey.values.size(); ++i) {
    REQUIRE(std::abs(decoded.values[3 * i] - grey.values[i]) <= 2);
    REQUIRE(decoded.values[3 * i] == decoded.values[3 * i + 1]);
    REQUIRE(decoded.values[3 * i] == decoded.values[3 * i + 2]);
  }
}

TEST_CASE("jpeg: CMYK and YCCK become RGB as in Pillow") {
  Pixels cmyk(8, 8, 4);
  for (std::size_t i = 0; i < cmyk.values.size(); i += 4) {  // inverted inks, as Adobe writes them
    cmyk.values[i] = 200, cmyk.values[i + 1] = 100, cmyk.values[i + 2] = 50, cmyk.values[i + 3] = 128;
  }
  // Pillow: nk - muldiv255(ink, nk) = 128 - 55 * 128 / 255 and so on.
  const Pixels rgb = read(make_jpeg(cmyk, JCS_CMYK));
  CHECK(Bytes(rgb.values.begin(), rgb.values.begin() + 3) == Bytes{100, 50, 25});
  const Pixels ycck =
      read(make_jpeg(cmyk, JCS_CMYK, {}, [](jpeg_compress_struct& codec) { jpeg_set_colorspace(&codec, JCS_YCCK); }));
  CHECK(largest_difference(ycck, rgb) <= 2);
}

TEST_CASE("jpeg: the orientation in EXIF is applied, both byte orders") {
  const Pixels original = sample_image();
  const Pixels stored = read(make_jpeg(original, JCS_RGB));
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool little : {false, true}) {
      CAPTURE(orientation);
      const std::string exif =
          std::string("Exif\0\0", 6) + tiff(little, 0x112, 3, 1, static_cast<std::uint32_t>(orientation));
      const Pixels seen = read(make_jpeg(original, JCS_RGB, exif));
      REQUIRE(seen.height == (orientation >= 5 ? 24 : 16));
      REQUIRE(seen.width == (orientation >= 5 ? 16 : 24));
      bool equal = true;
      for (Index y = 0; y < 16; ++y) {
        for (Index x = 0; x < 24; ++x) {
          const auto [seen_y, seen_x] = seen_at(orientation, y, x, 16, 24);
          equal = equal && std::equal(stored.row(y) + 3 * x, stored.row(y) + 3 * x + 3, seen.row(seen_y) + 3 * seen_x);
        }
      }
      CHECK(equal);
    }
  }
}

TEST_CASE("jpeg: without the end of the image, before something else, every row is there") {
  // As Pillow: at the very end of the file libjpeg cannot know that the last bits are whole.
  for (const bool progressive : {false, true}) {
    const std::string whole = make_jpeg(sample_image(), JCS_RGB, {}, [&](jpeg_compress_struct& codec) {
      if (progressive) jpeg_simple_progression(&codec);
    });
    const std::string open = whole.substr(0, whole.size() - 2);
    for (const std::string& trailer : {std::string(300, '\0'), std::string(300, 'x')}) {
      CHECK(read(whole + trailer) == read(whole));
      if (progressive)
        CHECK(line_for(open + trailer) != "");  // another scan could have followed
      else
        CHECK(read(open + trailer) == read(whole));
    }
    CHECK(contains(line_for(open), "found the end of the file inside the image"));
  }
}

TEST_CASE("jpeg: cut scans are refused, with the end of the image behind them or not") {
  const auto arithmetic = [](jpeg_compress_struct& codec) { codec.arith_code = TRUE; };
  const auto progressive = [](jpeg_compress_struct& codec) { jpeg_simple_progression(&codec); };
  const auto both = [&](jpeg_compress_struct& codec) { arithmetic(codec), progressive(codec); };
  const auto restarts = [&](jpeg_compress_struct& codec) { arithmetic(codec), codec.restart_in_rows = 1; };
  Pixels noisy(160, 160, 3);
  for (std::size_t i = 0; i < noisy.values.size(); ++i) noisy.values[i] = static_cast<std::uint8_t>(i * i * 37 % 251);
  for (const auto& settings : std::vector<std::function<void(jpeg_compress_struct&)>>{
           [](jpeg_compress_struct&) {}, arithmetic, progressive, both, restarts}) {
    const std::string whole = make_jpeg(noisy, JCS_RGB, {}, settings);
    CHECK(read(whole).height == 160);
    for (const std::size_t percent : {20, 50, 90}) {
      CAPTURE(percent);
      const std::string cut = whole.substr(0, whole.size() * percent / 100);
      CHECK(line_for(cut) != "");
      CHECK(line_for(cut + "\xff\xd9") != "");
    }
  }
}

TEST_CASE("jpeg: flat arithmetic-coded images take few bytes and are read") {
  for (const bool progressive : {false, true}) {
    for (const bool dot : {false, true}) {
      Pixels flat(2048, 2048, 1);
      if (dot) flat.row(2040)[1000] = 200;
      const std::string file = make_jpeg(flat, JCS_GRAYSCALE, {}, [&](jpeg_compress_struct& codec) {
        codec.arith_code = TRUE;
        if (progressive) jpeg_simple_progression(&codec);
      });
      CHECK((progressive || file.size() < 400));
      CHECK(std::abs(read(file).row(2040)[3000] - (dot ? 200 : 0)) <= 1);
    }
  }
}

TEST_CASE("jpeg: broken files are refused") {
  const std::string whole = make_jpeg(sample_image(), JCS_RGB);
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(line_for(whole.substr(0, size)) != "");
  // Sizes in the frame header that the data cannot fill, and beyond the limit.
  const std::size_t frame = whole.find("\xff\xc0");
  REQUIRE(frame != std::string::npos);
  std::string large = whole;
  large.replace(frame + 5, 4, "\x20\x00\x20\x00", 4);
  CHECK(contains(line_for(large), "found 8192 x 8192 pixels from"));
  large.replace(frame + 5, 4, "\xf0\x00\xf0\x00", 4);
  CHECK(contains(line_for(large), "at most 2^28 pixels"));
}

TEST_CASE("image: other formats are named") {
  CHECK(contains(line_for(""), ": found an empty file, expected a JPEG or PNG file"));
  CHECK(contains(line_for("GIF89a"), ": found a GIF image, expected a JPEG or PNG file"));
  CHECK(contains(line_for(std::string("RIFF\0\0\0\0WEBPVP8 ", 16)), ": found a WebP image, expected"));
  CHECK(contains(line_for("<!DOCTYPE html><html>"), ": found an HTML page, expected"));
  CHECK(contains(line_for("\xff\xd8"), "expected a JPEG or PNG file"));
}

TEST_CASE("image: a file too long for memory is refused unread") {
  const TemporaryFolder folder;
  write_bytes(folder / "x", make_jpeg(sample_image(), JCS_RGB));
  REQUIRE(::truncate((folder / "x").c_str(), ::off_t{1} << 42) == 0);
  CHECK(contains(error_line([&] { tessera::read_image(folder / "x"); }), "found 4398046511104 bytes"));
}
