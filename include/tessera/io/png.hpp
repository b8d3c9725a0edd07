// PNG decoding and encoding with libpng. Use read_image and write_png (io/image.hpp); this is one half of them.
#pragma once

#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <png.h>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/data/pixels.hpp>
#include <tessera/io/exif.hpp>

namespace tessera {

namespace detail {

/// One decoder; errors jump back to guarded() as in JpegDecoder.
class PngDecoder {
 public:
  PngDecoder(std::string_view file, View<const std::byte> bytes)
      : file_(file), rest_(bytes), file_bytes_(bytes.size()) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw Error(ErrorCode::bad_file, file_, "no memory for libpng's state", "memory");
    }
  }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }

  Pixels decode() {
    guarded([this] {
      png_set_read_fn(png_, this, on_read);
      png_read_info(png_, info_);
    });
    check_header();
    guarded([this] {
      png_set_expand_gray_1_2_4_to_8(png_);
      png_set_palette_to_rgb(png_);
      png_set_gray_to_rgb(png_);
      png_set_strip_16(png_);     // the upper byte
      png_set_strip_alpha(png_);  // dropped, not blended
      png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    });
    Pixels stored(png_get_image_height(png_, info_), png_get_image_width(png_, info_), 3);
    if (png_get_rowbytes(png_, info_) != static_cast<std::size_t>(stored.width) * 3) {
      throw Error(ErrorCode::bad_file, file_, "rows of another length", "8-bit RGB rows");
    }
    std::vector<png_bytep> rows;
    for (Index y = 0; y < stored.height; ++y) rows.push_back(stored.row(y));
    guarded([this, &rows] {
      png_read_image(png_, rows.data());
      png_read_end(png_, info_);
    });
    return apply_orientation(std::move(stored), orientation());
  }

 private:
  static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngDecoder*>(png_get_error_ptr(png));
    std::strncpy(self->message_, message, sizeof(self->message_) - 1);
    std::longjmp(self->jump_, 1);
  }

  static void on_read(png_structp png, png_bytep out, std::size_t size) {
    auto* self = static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (size > self->rest_.size()) png_error(png, "the end of the file inside the image");
    std::memcpy(out, self->rest_.data(), size);
    self->rest_ = self->rest_.subspan(size);
  }

  template <class Step>
  void guarded(Step step) {
    if (setjmp(jump_) != 0) throw Error(ErrorCode::bad_file, file_, message_, "a complete PNG file");
    step();
  }

  void check_header() const {
    const std::uint64_t width = png_get_image_width(png_, info_), height = png_get_image_height(png_, info_);
    const std::string size = std::to_string(width) + " x " + std::to_string(height);
    if (width * height > max_pixels) throw Error(ErrorCode::bad_file, file_, size + " pixels", "at most 2^28 pixels");
    // A pixel has at least one bit, and deflate shrinks at most 1032 times: a lying header allocates little.
    if (width * height / (8 * 1032) > file_bytes_) {
      throw Error(ErrorCode::bad_file, file_, size + " pixels from " + std::to_string(file_bytes_) + " bytes",
                  "a complete PNG file");
    }
  }

  int orientation() {
    png_uint_32 size = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png_, info_, &size, &exif) == 0 || exif == nullptr) return 1;
    return exif_orientation({exif, size});
  }

  std::string file_;
  View<const std::byte> rest_;  // what has not been read yet
  std::size_t file_bytes_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::jmp_buf jump_{};
  char message_[200] = "";
};

}  // namespace detail

/// Decodes a whole PNG file (every colour type and depth, interlaced too) to RGB, upright according to its eXIf chunk.
/// As in Pillow's convert("RGB"), alpha is dropped, not blended, and gamma and colour profiles are not applied; 16-bit
/// samples keep their upper byte (Pillow does so for colour; its result for 16-bit grey clips, so ours differs there).
/// Throws Error(bad_file).
inline Pixels decode_png(std::string_view file, View<const std::byte> bytes) {
  return detail::PngDecoder(file, bytes).decode();
}

/// An 8-bit grey (1 channel) or RGB (3 channels) PNG file. `file` names it in errors. Throws Error(bad_argument).
inline std::vector<std::byte> encode_png(std::string_view file, const Pixels& pixels) {
  const bool fits = (pixels.channels == 1 || pixels.channels == 3) && pixels.height > 0 && pixels.width > 0 &&
                    pixels.height < (Index{1} << 24) && pixels.width < (Index{1} << 24);
  if (!fits || static_cast<std::size_t>(pixels.height * pixels.width * pixels.channels) != pixels.values.size()) {
    throw Error(ErrorCode::bad_argument, file,
                std::to_string(pixels.height) + " x " + std::to_string(pixels.width) + " x " +
                    std::to_string(pixels.channels) + " pixels",
                "a grey or RGB image");
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(pixels.width);
  image.height = static_cast<png_uint_32>(pixels.height);
  image.format = pixels.channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<std::byte> bytes(size);
  if (png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.values.data(), 0, nullptr) == 0) {
    throw Error(ErrorCode::bad_argument, file, image.message, "an image that libpng can write");
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace tessera
