// JPEG decoding with libjpeg-turbo. Use read_image (io/image.hpp); this is one half of it.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include <jpeglib.h>

#include <jerror.h>  // after jpeglib.h, whose settings number its codes

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/data/pixels.hpp>
#include <tessera/io/exif.hpp>

namespace tessera {

namespace detail {

/// One decoder. libjpeg reports errors by a callback that must not return; ours jumps back to guarded(). Only libjpeg's
/// own C frames and frames without destructors lie between, so the jump skips nothing; then guarded() throws.
class JpegDecoder {
 public:
  JpegDecoder(std::string_view file, View<const std::byte> bytes) : file_(file), bytes_(bytes) {
    codec_.err = jpeg_std_error(&errors_);
    codec_.client_data = this;
    errors_.error_exit = [](j_common_ptr codec) {
      auto* self = static_cast<JpegDecoder*>(codec->client_data);
      codec->err->format_message(codec, self->message_);
      std::longjmp(self->jump_, 1);
    };
    errors_.emit_message = [](j_common_ptr codec, int level) {
      if (level < 0 && is_damage(codec->err->msg_code)) codec->err->error_exit(codec);
    };
    guarded([this] { jpeg_create_decompress(&codec_); });
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;
  ~JpegDecoder() { jpeg_destroy_decompress(&codec_); }

  Pixels decode() {
    guarded([this] {
      jpeg_mem_src(&codec_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
      jpeg_save_markers(&codec_, JPEG_APP0 + 1, 0xFFFF);
      jpeg_read_header(&codec_, TRUE);
    });
    check_header();
    const int orientation = find_orientation();
    // libjpeg converts YCbCr to RGB and YCCK to CMYK. The rest of the settings stay at libjpeg's defaults (accurate
    // integer DCT, fancy upsampling), which Pillow uses too.
    codec_.out_color_space = codec_.num_components == 1   ? JCS_GRAYSCALE
                             : codec_.num_components == 4 ? JCS_CMYK
                                                          : JCS_RGB;
    guarded([this] { jpeg_start_decompress(&codec_); });
    Pixels stored(static_cast<Index>(codec_.output_height), static_cast<Index>(codec_.output_width),
                  codec_.output_components);
    read_rows(stored);
    guarded([this] { jpeg_finish_decompress(&codec_); });
    return apply_orientation(to_rgb(std::move(stored)), orientation);
  }

 private:
  /// Warnings after which libjpeg would go on with invented pixels.
  static bool is_damage(int code) {
    return code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_JPEG_EOF || code == JWRN_MUST_RESYNC ||
           code == JWRN_ARITH_BAD_CODE || code == JWRN_NOT_SEQUENTIAL;
  }

  template <class Step>
  void guarded(Step step) {
    if (setjmp(jump_) != 0) throw Error(ErrorCode::bad_file, file_, message_, "a complete JPEG file");
    step();
  }

  void check_header() const {
    const std::uint64_t pixels = std::uint64_t{codec_.image_width} * codec_.image_height;
    const std::string size = std::to_string(codec_.image_width) + " x " + std::to_string(codec_.image_height);
    if (pixels > max_pixels) throw Error(ErrorCode::bad_file, file_, size + " pixels", "at most 2^28 pixels");
    // Every block of 8 x 8 pixels has at least one bit in a Huffman-coded file: a lying header allocates little.
    if (!codec_.arith_code && pixels / (64 * 8) > bytes_.size()) {
      throw Error(ErrorCode::bad_file, file_, size + " pixels from " + std::to_string(bytes_.size()) + " bytes",
                  "a complete JPEG file");
    }
    if (codec_.num_components != 1 && codec_.num_components != 3 && codec_.num_components != 4) {
      throw Error(ErrorCode::bad_file, file_, std::to_string(codec_.num_components) + " colour components",
                  "grey, colour or CMYK");
    }
  }

  int find_orientation() const {
    for (auto marker = codec_.marker_list; marker != nullptr; marker = marker->next) {
      const View<const std::uint8_t> data(marker->data, marker->data_length);
      if (data.size() > 6 && std::memcmp(data.data(), "Exif\0", 6) == 0) return exif_orientation(data.subspan(6));
    }
    return 1;
  }

  void read_rows(Pixels& stored) {
    guarded([this, &stored] {
      while (codec_.output_scanline < codec_.output_height) {
        JSAMPROW row = stored.row(static_cast<Index>(codec_.output_scanline));
        jpeg_read_scanlines(&codec_, &row, 1);
      }
    });
  }

  /// Grey is repeated; CMYK is read inverted, as Adobe writes it and Pillow reads it, and multiplied out as Pillow
  /// does.
  static Pixels to_rgb(Pixels stored) {
    if (stored.channels == 3) return stored;
    Pixels rgb(stored.height, stored.width, 3);
    const std::uint8_t* in = stored.values.data();
    for (std::size_t i = 0; i < rgb.values.size(); i += 3, in += stored.channels) {
      for (std::size_t c = 0; c < 3; ++c) rgb.values[i + c] = stored.channels == 1 ? in[0] : cmyk_sample(in[c], in[3]);
    }
    return rgb;
  }

  /// black - (255 - inverted_ink) * black / 255, rounded as Pillow's MULDIV255.
  static std::uint8_t cmyk_sample(std::uint8_t inverted_ink, std::uint8_t inverted_black) {
    const int product = (255 - inverted_ink) * inverted_black + 128;
    return static_cast<std::uint8_t>(inverted_black - (((product >> 8) + product) >> 8));
  }

  std::string file_;
  View<const std::byte> bytes_;
  jpeg_decompress_struct codec_{};
  jpeg_error_mgr errors_{};
  std::jmp_buf jump_{};
  char message_[JMSG_LENGTH_MAX] = "";
};

}  // namespace detail

/// Decodes a whole JPEG file (baseline, progressive, arithmetic; grey, YCbCr, RGB, CMYK, YCCK) to RGB, upright
/// according to its EXIF orientation. Throws Error(bad_file), also for truncated and damaged data that other decoders
/// fill with grey.
inline Pixels decode_jpeg(std::string_view file, View<const std::byte> bytes) {
  return detail::JpegDecoder(file, bytes).decode();
}

}  // namespace tessera
