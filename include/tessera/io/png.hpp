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
#include <tessera/io/image_limits.hpp>
#include <tessera/io/png_chunks.hpp>
#include <tessera/io/upright_image.hpp>

namespace tessera {

namespace detail {

/// One decoder; errors jump back to guarded() as in JpegDecoder. libpng sees what decoding needs and nothing else:
/// texts and profiles cannot take memory, and what is behind the image data cannot spoil it.
class PngDecoder {
 public:
  PngDecoder(std::string_view file, View<const std::byte> bytes, const ImageLimits& limits)
      : name_(file),
        file_(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
        parts_(read_png_parts(file, file_)),
        next_chunk_(parts_.data) {
    check_header(limits);
    start_ = "\x89PNG\r\n\x1a\n" + chunk("IHDR", parts_.header) + chunk("PLTE", parts_.palette);
    rest_ = start_;
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw Error(ErrorCode::bad_file, name_, "no memory for libpng's state", "memory");
    }
  }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }

  Pixels decode() {
    guarded([this] {
      png_set_read_fn(png_, this, on_read);
      png_set_user_limits(png_, 0x7fffffff, 0x7fffffff);  // check_header() has the limits
      // Checked where they matter; the image data have a checksum of their own inside.
      png_set_crc_action(png_, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
      png_read_info(png_, info_);
      png_set_expand_gray_1_2_4_to_8(png_);
      png_set_palette_to_rgb(png_);
      png_set_gray_to_rgb(png_);
      png_set_strip_16(png_);     // the upper byte
      png_set_strip_alpha(png_);  // dropped, not blended
      png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    });
    if (png_get_rowbytes(png_, info_) != std::size_t{width()} * 3) {
      throw Error(ErrorCode::bad_file, name_, "rows of another length", "8-bit RGB rows");
    }
    UprightImage image(height(), width(), parts_.orientation);
    if (interlaced())
      read_passes(image);
    else
      read_rows(image);
    return std::move(image).finish();
  }

 private:
  /// Each row takes time, also one of few pixels.
  static constexpr std::uint32_t most_side = std::uint32_t{1} << 24;

  [[nodiscard]] std::uint32_t width() const { return png_number(parts_.header); }
  [[nodiscard]] std::uint32_t height() const { return png_number(parts_.header.substr(4)); }
  [[nodiscard]] bool interlaced() const { return parts_.header[12] != 0; }

  void check_header(const ImageLimits& limits) const {
    const std::uint64_t pixels = std::uint64_t{width()} * height();
    check_image_size(name_, width(), height());
    if (std::max(width(), height()) > most_side) {
      throw Error(ErrorCode::bad_file, name_, std::to_string(width()) + " x " + std::to_string(height()) + " pixels",
                  "sides of at most 2^24");
    }
    // A pixel has at least one bit, and deflate shrinks at most 1032 times: a lying header allocates little.
    if (pixels / (8 * 1032) > file_.size()) {
      throw Error(ErrorCode::bad_file, name_,
                  std::to_string(width()) + " x " + std::to_string(height()) + " pixels from " +
                      std::to_string(file_.size()) + " bytes",
                  "a complete PNG file");
    }
    const bool twice = interlaced() && parts_.orientation != 1;
    const std::uint64_t rows = std::uint64_t{width()} * 64, pointers = interlaced() ? sizeof(png_bytep) * height() : 0;
    check_image_memory(name_, file_.size() + (twice ? 6 : 3) * pixels + rows + pointers, limits);
  }

  void read_rows(UprightImage& image) {
    for (std::uint32_t y = 0; y < height(); ++y) {
      guarded([&] { png_read_row(png_, image.next_row(), nullptr); });
      image.take_row();
    }
  }

  /// The rows come in seven passes, each of which adds to what is there.
  void read_passes(UprightImage& image) {
    const bool upright = parts_.orientation == 1;
    Pixels stored(upright ? 0 : height(), width(), 3);
    std::vector<png_bytep> rows;
    for (std::uint32_t y = 0; y < height(); ++y) {
      rows.push_back(upright ? image.next_row() + 3 * std::size_t{y} * width() : stored.row(y));
    }
    guarded([&] { png_read_image(png_, rows.data()); });
    for (const png_bytep row : rows) {
      if (!upright) std::copy_n(row, 3 * std::size_t{width()}, image.next_row());
      image.take_row();
    }
  }

  /// Without a checksum, which is not looked at.
  static std::string chunk(std::string_view type, std::string_view content) {
    if (type == "PLTE" && content.empty()) return {};
    std::string bytes(8, '\0');
    for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>(content.size() >> (24 - 8 * i));
    bytes.replace(4, 4, type);
    return bytes.append(content).append(4, '\0');
  }

  static void on_error(png_structp png, png_const_charp message) {
    auto* self = static_cast<PngDecoder*>(png_get_error_ptr(png));
    std::strncpy(self->message_, message, sizeof(self->message_) - 1);
    std::longjmp(self->jump_, 1);
  }

  static void on_read(png_structp png, png_bytep out, std::size_t size) {
    auto* self = static_cast<PngDecoder*>(png_get_io_ptr(png));
    while (size > 0) {
      if (self->rest_.empty() && !self->next_part()) {
        self->whole_ = self->has_all_rows();
        png_error(png, "the end of the file inside the image");
      }
      const std::size_t count = std::min(size, self->rest_.size());
      std::memcpy(out, self->rest_.data(), count);
      out += count;
      size -= count;
      self->rest_.remove_prefix(count);
    }
  }

  /// Behind the last row libpng reads on to the end of the data, which may be missing.
  [[nodiscard]] bool has_all_rows() const {
    return interlaced() ? png_get_current_pass_number(png_) == 7 : png_get_current_row_number(png_) == height();
  }

  /// The next piece of what libpng sees: a chunk of image data is its header, as long as the file goes, its content,
  /// and a checksum.
  bool next_part() {
    static constexpr char zeros[4] = {};
    if (part_ == Part::header) {
      part_ = Part::content;
      rest_ = chunk_.content;
    } else if (part_ == Part::content) {
      part_ = Part::checksum;
      rest_ = {zeros, 4};
    } else {
      if (!read_png_chunk(file_, next_chunk_, chunk_, false) || chunk_.type != "IDAT") return false;
      next_chunk_ = chunk_.end;
      part_ = Part::header;
      for (std::size_t i = 0; i < 4; ++i) {
        chunk_header_[i] = static_cast<char>(chunk_.content.size() >> (24 - 8 * i));
        chunk_header_[4 + i] = chunk_.type[i];
      }
      rest_ = {chunk_header_, 8};
    }
    return !rest_.empty() || next_part();
  }

  template <class Step>
  void guarded(Step step) {
    if (setjmp(jump_) == 0) {
      step();
    } else if (!whole_) {
      throw Error(ErrorCode::bad_file, name_, message_, "a complete PNG file");
    }
  }

  enum class Part { header, content, checksum };

  std::string name_;
  std::string_view file_;
  PngParts parts_;
  std::string start_;      // up to the image data
  std::string_view rest_;  // of the part that libpng is reading
  PngChunk chunk_;
  Part part_ = Part::checksum;
  char chunk_header_[8] = {};
  std::size_t next_chunk_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  bool whole_ = false;  // the error is that nothing follows the last row
  std::jmp_buf jump_{};
  char message_[200] = "";
};

}  // namespace detail

/// Decodes a PNG file (every colour type and depth, interlaced too) to RGB, upright according to its eXIf chunk, its
/// "Raw profile type exif" or its XMP. As in Pillow's convert("RGB"), alpha is dropped, not blended, and gamma and
/// colour profiles are not applied; 16-bit samples keep their upper byte (Pillow does so for colour; its result for
/// 16-bit grey clips, so ours differs there). Behind the image data, chunks and the end may be missing or have wrong
/// checksums. Throws Error(bad_file), also beyond the limits.
inline Pixels decode_png(std::string_view file, View<const std::byte> bytes, const ImageLimits& limits = {}) {
  return detail::PngDecoder(file, bytes, limits).decode();
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
