#include <tessera/io/file_kind.hpp>

#include <doctest/doctest.h>

#include <string>

namespace {

std::string_view kind(const std::string& bytes) {
  return tessera::describe_content(std::as_bytes(tessera::View<const char>(bytes.data(), bytes.size())));
}

std::string zeros(std::size_t count) {
  return std::string(count, '\0');
}

}  // namespace

TEST_CASE("describe_content names what people call .jpg, .png, .npy and .safetensors by mistake") {
  CHECK(kind("") == "an empty file");
  CHECK(kind("\xff\xd8\xff\xe0") == "a JPEG image");
  CHECK(kind("\x89PNG\r\n\x1a\n") == "a PNG image");
  CHECK(kind("\x89PNG\n\x1a\n") == "a PNG image damaged by a conversion of line ends");
  CHECK(kind("RIFF" + zeros(4) + "WEBPVP8 ") == "a WebP image");
  CHECK(kind("GIF89a") == "a GIF image");
  CHECK(kind("BM\x36\x04\x01" + zeros(5) + "\x36") == "a BMP image");
  CHECK(kind("II*" + zeros(5)) == "a TIFF image");
  CHECK(kind("MM" + zeros(1) + "*") == "a TIFF image");
  CHECK(kind(zeros(3) + "\x18" + "ftypheic" + zeros(4) + "mif1heic") == "a HEIC image");
  CHECK(kind(zeros(3) + "\x18" + "ftypavif" + zeros(4) + "avifmif1") == "an AVIF image");
  CHECK(kind(zeros(3) + "\x18" + "ftypmif1" + zeros(4) + "mif1avif") == "an AVIF image");
  CHECK(kind(zeros(3) + "\x18" + "ftypisom") == "an MP4 or QuickTime video");
  CHECK(kind(zeros(3) + "\x0cJXL \r\n\x87\n") == "a JPEG XL image");
  CHECK(kind("\xff\x0a\x10") == "a JPEG XL image");
  CHECK(kind(zeros(3) + "\x0cjP  \r\n\x87\n") == "a JPEG 2000 image");
  CHECK(kind("8BPS" + zeros(1) + "\1") == "a Photoshop image");
  CHECK(kind("%PDF-1.7\n") == "a PDF document");
  CHECK(kind("<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\">") == "an SVG drawing");
  CHECK(kind("\r\n<!DOCTYPE html>\n<html>") == "an HTML page");
  CHECK(kind("\xef\xbb\xbf<HTML><title>404 Not Found</title>") == "an HTML page");
  CHECK(kind("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>") == "an XML document");
  CHECK(kind("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n") ==
        "a Git LFS pointer, not the file itself (run git lfs pull)");
  CHECK(kind("{\"message\": \"Not Found\"}") == "JSON text");
  CHECK(kind("0 1 2\n3 4 5\n") == "text");
  CHECK(kind("caf\xc3\xa9 \xe2\x82") == "text");  // its last character is cut
  CHECK(kind("\x93NUMPY\1") == "a NumPy array (.npy)");
  CHECK(kind("\x10" + zeros(7) + "{\"a\":{}}") == "a safetensors file");
  CHECK(kind("PK\3\4\x14") == "a zip archive (also .npz, .pt)");
  CHECK(kind("\x80\2}q") == "a Python pickle");
  CHECK(kind("\x1f\x8b\x08") == "a gzip file");
  CHECK(kind(std::string("name", 4) + zeros(253) + "ustar") == "a tar archive");
  CHECK(kind(zeros(1) + "\5\x16\7" + zeros(4)) == "a macOS AppleDouble file (._name), not the file itself");
  CHECK(kind(zeros(5000)) == "nothing but zeros");
  CHECK(kind("\xff\xfe"
             "a" +
             zeros(1)) == "UTF-16 text");
}

TEST_CASE("describe_content names nothing where nothing fits") {
  CHECK(kind("\xff\xd8") == "bytes of no known format");  // a JPEG image goes on with 0xff
  CHECK(kind("RIFF" + zeros(4)) == "bytes of no known format");
  CHECK(kind("\xd0\xcf\x11\xe0\xa1") == "bytes of no known format");
  CHECK(kind("caf\xe9 ") == "bytes of no known format");               // Latin-1
  CHECK(kind(zeros(8) + "{\"a\":{}}") == "bytes of no known format");  // a header of no bytes
  CHECK(kind("\x93") == "bytes of no known format");
}
