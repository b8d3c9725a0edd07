// The values are those of Pillow 13: ImageOps.exif_transpose(Image.open(file)).
#include <tessera/io/orientation.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>

#include <tessera/io/image.hpp>

#include <image_files.hpp>

using namespace tessera_test;

namespace {

/// Corners of the stored image, from the top left.
constexpr int corner[] = {0, 80, 160, 240};

std::string png(const std::string& before, const std::string& after = {}) {
  std::string file = make_png(2, 2, 8, 0, std::string({0, 0, 80, 0, '\xa0', '\xf0'}), before);
  return file.insert(file.size() - 12, after);
}

std::string jpeg(const std::string& segments) {
  Pixels pixels(16, 16, 1);
  for (Index y = 0; y < 16; ++y) {
    for (Index x = 0; x < 16; ++x) pixels.row(y)[x] = static_cast<std::uint8_t>(corner[y / 8 * 2 + x / 8]);
  }
  return with_segments(make_jpeg(pixels, JCS_GRAYSCALE), segments);
}

/// How read_image has turned a file of png() or jpeg().
int seen_orientation(const std::string& file) {
  const tessera::View<const std::byte> bytes = std::as_bytes(tessera::View<const char>(file.data(), file.size()));
  const Pixels pixels = file[0] == '\x89' ? tessera::decode_png("x", bytes) : tessera::decode_jpeg("x", bytes);
  const auto at = [&](Index y, Index x) { return (pixels.row(y)[3 * x] + 40) / 80; };
  const int seen[] = {at(0, 0), at(0, pixels.width - 1), at(pixels.height - 1, 0)};
  constexpr int turned[8][3] = {{0, 1, 2}, {1, 0, 3}, {3, 2, 1}, {2, 3, 0}, {0, 2, 1}, {2, 0, 3}, {3, 1, 2}, {1, 3, 0}};
  for (int o = 1; o <= 8; ++o) {
    if (std::equal(seen, seen + 3, turned[o - 1])) return o;
  }
  return 0;
}

const std::string exif_name("Exif\0\0", 6), xmp_name("http://ns.adobe.com/xap/1.0/\0", 29);

std::string exif(int orientation, bool little = true) {
  return tiff(little, 0x112, 3, 1, static_cast<std::uint32_t>(orientation));
}
std::string attribute(int orientation) {
  return "<rdf:Description tiff:Orientation=\"" + std::to_string(orientation) + "\"/>";
}
std::string element(int orientation) {
  return "<tiff:Orientation>" + std::to_string(orientation) + "</tiff:Orientation>";
}
std::string app1(const std::string& data) {
  return segment(0xe1, data);
}

/// A profile as ImageMagick writes it.
std::string profile(const std::string& data) {
  std::string text = "\nexif\n      " + std::to_string(data.size()) + "\n";
  for (std::size_t i = 0; i < data.size(); ++i) {
    constexpr auto digits = "0123456789abcdef";
    const auto byte = static_cast<std::uint8_t>(data[i]);
    text += {digits[byte >> 4], digits[byte & 15]};
    if (i % 36 == 35) text += "\n";
  }
  return text + "\n";
}
std::string plain(const std::string& key, const std::string& text) {
  return chunk("tEXt", key + std::string(1, '\0') + text);
}
std::string packed(const std::string& key, const std::string& text) {
  return chunk("zTXt", key + std::string(2, '\0') + deflated(text));
}
std::string international(const std::string& key, const std::string& text, bool compressed) {
  return chunk("iTXt", key + std::string({'\0', static_cast<char>(compressed), '\0', 'e', 'n', '\0', 'k', '\0'}) +
                           (compressed ? deflated(text) : text));
}

int from_exif(const std::string& bytes) {
  return tessera::exif_orientation({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}).value_or(0);
}

}  // namespace

TEST_CASE("orientation: every carrier of a JPEG file, every orientation") {
  for (int o = 1; o <= 8; ++o) {
    CAPTURE(o);
    CHECK(seen_orientation(jpeg(app1(exif_name + exif(o)))) == o);
    CHECK(seen_orientation(jpeg(app1(exif_name + exif(o, false)))) == o);
    CHECK(seen_orientation(jpeg(app1(exif_name + exif_name + exif(o)))) == o);
    CHECK(seen_orientation(jpeg(app1(exif_name + exif(o).substr(0, 11)) + app1(exif_name + exif(o).substr(11)))) == o);
    CHECK(seen_orientation(jpeg(app1(xmp_name + attribute(o)))) == o);
    CHECK(seen_orientation(jpeg(app1(xmp_name + element(o)))) == o);
  }
}

TEST_CASE("orientation: every carrier of a PNG file, before and after the image, every orientation") {
  const std::string raw = "Raw profile type exif", xmp = "XML:com.adobe.xmp";
  for (int o = 1; o <= 8; ++o) {
    const std::string data = exif_name + exif(o);
    for (const std::string& carrier :
         {chunk("eXIf", exif(o)), chunk("eXIf", data), plain("exif", data), plain(raw, profile(data)),
          packed(raw, profile(data)), packed(raw, profile(exif(o))), packed(raw, profile(exif_name + data)),
          international(raw, profile(data), false), international(raw, profile(data), true),
          international(xmp, attribute(o), false), international(xmp, element(o), true), plain(xmp, element(o)),
          packed(xmp, attribute(o))}) {
      CAPTURE(o);
      CAPTURE(carrier);
      CHECK(seen_orientation(png(carrier)) == o);
      CHECK(seen_orientation(png({}, carrier)) == o);
    }
    CHECK(seen_orientation(png(packed("Raw profile type APP1", profile(data)))) == 1);
  }
}

TEST_CASE("orientation: EXIF decides before XMP, the last of a kind before others") {
  const std::string other = tiff(true, 0x10f, 2, 4, 0x636261);  // a tag that is not the orientation
  CHECK(seen_orientation(jpeg(app1(exif_name + exif(6)) + app1(xmp_name + attribute(3)))) == 6);
  CHECK(seen_orientation(jpeg(app1(xmp_name + attribute(3)) + app1(exif_name + exif(6)))) == 6);
  CHECK(seen_orientation(jpeg(app1(exif_name + exif(1)) + app1(xmp_name + attribute(3)))) == 1);
  CHECK(seen_orientation(jpeg(app1(exif_name + exif(9)) + app1(xmp_name + attribute(3)))) == 1);
  CHECK(seen_orientation(jpeg(app1(exif_name + other) + app1(xmp_name + attribute(3)))) == 3);
  CHECK(seen_orientation(jpeg(app1(exif_name) + app1(xmp_name + attribute(3)))) == 3);
  CHECK(seen_orientation(jpeg(app1(exif_name) + app1(exif_name + exif(8)))) == 8);
  CHECK(seen_orientation(jpeg(app1(exif_name + exif(6)) + app1(exif_name + exif(3)))) ==
        6);  // one goes on in the other
  CHECK(seen_orientation(jpeg(app1(xmp_name + attribute(6)) + app1(xmp_name + element(8)))) == 8);
  CHECK(seen_orientation(jpeg(app1("http://ns.adobe.com/xmp/extension/" + attribute(6)))) == 1);

  const std::string raw = packed("Raw profile type exif", profile(exif(8)));
  CHECK(seen_orientation(png(chunk("eXIf", exif(6)), chunk("eXIf", exif(3)))) == 3);
  CHECK(seen_orientation(png(chunk("eXIf", exif(6)) + raw)) == 6);
  CHECK(seen_orientation(png(raw + chunk("eXIf", other))) == 1);
  CHECK(seen_orientation(png(raw + plain("XML:com.adobe.xmp", attribute(3)))) == 8);
  CHECK(seen_orientation(png(chunk("eXIf", other) + plain("XML:com.adobe.xmp", attribute(3)))) == 3);
}

TEST_CASE("xmp_orientation: one digit, in one of two forms") {
  const auto orientation = [](std::string_view text) { return tessera::xmp_orientation(text).value_or(0); };
  CHECK(orientation(attribute(7)) == 7);
  CHECK(orientation(element(7)) == 7);
  CHECK(orientation("tiff:Orientation=\"66\"") == 6);
  CHECK(orientation("tiff:Orientation=\"x\" tiff:Orientation=\"8\"") == 8);
  CHECK(orientation("tiff:Orientation=\"9\" tiff:Orientation=\"6\"") == 1);
  for (const auto* none : {"", "tiff:Orientation", "tiff:Orientation=", "tiff:Orientation=\"", "tiff:Orientation='6'",
                           "tiff:Orientation = \"6\"", "<tiff:Orientation> 6", "tiff:Orientation=\"-6\"",
                           "tiff:orientation=\"6\"", "Orientation=\"6\""}) {
    CAPTURE(none);
    CHECK(orientation(none) == 0);
  }
}

TEST_CASE("exif_orientation: any number will do, and nothing else") {
  const auto little = [](double value, int type) {
    std::string bytes(8, '\0');
    if (type == 12) std::memcpy(bytes.data(), &value, 8);
    if (type == 11) {
      const auto single = static_cast<float>(value);
      std::memcpy(bytes.data(), &single, 4);
    }
    return bytes;
  };
  CHECK(from_exif(tiff(true, 0x112, 3, 1, 8)) == 8);
  CHECK(from_exif(tiff(false, 0x112, 4, 1, 5)) == 5);
  CHECK(from_exif(tiff(true, 0x112, 3, 2, 8)) == 8);  // the first of two
  CHECK(from_exif(tiff(true, 0x112, 6, 1, 8)) == 8);  // signed
  CHECK(from_exif(tiff(true, 0x112, 9, 1, 8)) == 8);
  CHECK(from_exif(tiff(true, 0x112, 13, 1, 8)) == 8);
  CHECK(from_exif(tiff(true, 0x112, 12, 1, 26) + little(6, 12)) == 6);
  CHECK(from_exif(tiff(true, 0x112, 12, 1, 26) + little(6.5, 12)) == 1);
  CHECK(from_exif(tiff(true, 0x112, 5, 1, 26) + std::string("\x0c\0\0\0\2\0\0\0", 8)) == 6);  // 12 / 2
  CHECK(from_exif(tiff(true, 0x112, 5, 1, 26) + std::string("\x0c\0\0\0\0\0\0\0", 8)) == 1);
  CHECK(from_exif(tiff(true, 0x112, 1, 1, 6)) == 1);    // bytes
  CHECK(from_exif(tiff(true, 0x112, 2, 2, '6')) == 1);  // a text
  CHECK(from_exif(tiff(true, 0x112, 3, 1, 0)) == 1);
  CHECK(from_exif(tiff(true, 0x112, 3, 1, 9)) == 1);
  CHECK(from_exif(tiff(true, 0x112, 14, 1, 6)) == 0);  // no such type: no such tag
  CHECK(from_exif(tiff(true, 0x112, 3, 0, 6)) == 0);
  CHECK(from_exif(tiff(true, 0x113, 3, 1, 8)) == 0);
}

TEST_CASE("exif_orientation: what is damaged") {
  const std::string whole = tiff(true, 0x112, 3, 1, 8);
  CHECK(from_exif("") == 0);
  for (std::size_t size = 1; size < 8; ++size) CHECK(from_exif(whole.substr(0, size)) == 1);   // the header
  for (std::size_t size = 8; size < 22; ++size) CHECK(from_exif(whole.substr(0, size)) == 0);  // the directory
  CHECK(from_exif(whole.substr(0, 22)) == 8);
  CHECK(from_exif("XX" + whole.substr(2)) == 1);
  CHECK(from_exif("IM" + whole.substr(2)) == 1);
  std::string far = whole;
  far.replace(4, 4, "\xff\xff\xff\xff");
  CHECK(from_exif(far) == 0);
  std::string many = whole;
  many.replace(8, 2, "\xff\xff");
  CHECK(from_exif(many) == 8);
}
