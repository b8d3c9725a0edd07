// JPEG decoding with libjpeg-turbo. Use read_image (io/image.hpp); this is one half of it.
#pragma once

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <jpeglib.h>

#include <jerror.h>  // after jpeglib.h, whose settings number its codes

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/data/pixels.hpp>
#include <tessera/io/image_limits.hpp>
#include <tessera/io/jpeg_markers.hpp>
#include <tessera/io/upright_image.hpp>

namespace tessera {

namespace detail {

/// One decoder. libjpeg reports errors by a callback that must not return; ours jumps back to guarded(). Only libjpeg's
/// own C frames and frames without destructors lie between, so the jump skips nothing; then guarded() throws.
class JpegDecoder {
 public:
  JpegDecoder(std::string_view file, View<const std::byte> bytes, const ImageLimits& limits)
      : file_(file), bytes_(reinterpret_cast<const char*>(bytes.data()), bytes.size()), limits_(limits) {
    codec_.err = jpeg_std_error(&errors_);
    codec_.client_data = this;
    errors_.error_exit = [](j_common_ptr codec) {
      auto* self = static_cast<JpegDecoder*>(codec->client_data);
      codec->err->format_message(codec, self->message_);
      if (codec->err->msg_code == JERR_CANT_SUSPEND) std::strcpy(self->message_, cut);
      std::longjmp(self->jump_, 1);
    };
    errors_.emit_message = [](j_common_ptr codec, int level) {
      if (level < 0 && is_damage(codec->err->msg_code)) codec->err->error_exit(codec);
    };
    progress_.progress_monitor = [](j_common_ptr codec) {
      static_cast<JpegDecoder*>(codec->client_data)->count_scans();
    };
    guarded([this] { jpeg_create_decompress(&codec_); });
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;
  ~JpegDecoder() { jpeg_destroy_decompress(&codec_); }

  Pixels decode() {
    header_ = read_jpeg_header(bytes_);
    set_source();
    guarded([this] {
      int found = JPEG_HEADER_TABLES_ONLY;
      while (found == JPEG_HEADER_TABLES_ONLY) found = jpeg_read_header(&codec_, FALSE);
      if (found == JPEG_SUSPENDED) fail(cut);
    });
    check_header();
    // libjpeg converts YCbCr to RGB and YCCK to CMYK. The rest of the settings stay at libjpeg's defaults (accurate
    // integer DCT, fancy upsampling), which Pillow uses too.
    codec_.out_color_space = codec_.num_components == 1   ? JCS_GRAYSCALE
                             : codec_.num_components == 4 ? JCS_CMYK
                                                          : JCS_RGB;
    codec_.progress = &progress_;
    guarded([this] {
      if (jpeg_start_decompress(&codec_) == FALSE) fail(cut);
    });
    UprightImage image(static_cast<Index>(codec_.output_height), static_cast<Index>(codec_.output_width),
                       header_.orientation);
    read_rows(image);
    return std::move(image).finish();
  }

 private:
  static constexpr const char* cut = "the end of the file inside the image";
  /// A flat image of 2^27 pixels takes about 100 bytes with arithmetic coding, whatever its size; a file of few bytes
  /// that declares more pixels than these a byte is no photograph.
  static constexpr std::uint64_t most_pixels_per_arithmetic_byte = std::uint64_t{1} << 20;
  /// Blocks that all scans together visit: what keeps small files from taking long (10 to 50 ns each).
  static constexpr std::uint64_t most_block_visits = std::uint64_t{1} << 26;

  /// Warnings after which libjpeg would go on with invented pixels.
  static bool is_damage(int code) {
    return code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_JPEG_EOF || code == JWRN_MUST_RESYNC ||
           code == JWRN_ARITH_BAD_CODE || code == JWRN_NOT_SEQUENTIAL;
  }

  template <class Step>
  void guarded(Step step) {
    if (setjmp(jump_) != 0) throw Error(ErrorCode::bad_file, file_, message_, expected_);
    step();
  }
  /// Only inside guarded().
  [[noreturn]] void fail(const char* found) {
    std::strncpy(message_, found, sizeof(message_) - 1);
    std::longjmp(jump_, 1);
  }

  /// The file in memory. At its end libjpeg stops, as it does for Pillow, instead of going on with an invented end of
  /// the image: whether the last rows are there is then known.
  void set_source() {
    source_.init_source = [](j_decompress_ptr) {};
    source_.term_source = [](j_decompress_ptr) {};
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.fill_input_buffer = [](j_decompress_ptr codec) {
      return static_cast<JpegDecoder*>(codec->client_data)->next_part();
    };
    source_.skip_input_data = [](j_decompress_ptr codec, long count) {
      if (count <= 0) return;
      auto* self = static_cast<JpegDecoder*>(codec->client_data);
      if (static_cast<std::size_t>(count) > codec->src->bytes_in_buffer) self->fail(cut);
      codec->src->next_input_byte += count;
      codec->src->bytes_in_buffer -= static_cast<std::size_t>(count);
    };
    codec_.src = &source_;
    part_end_ = header_.arithmetic ? end_of_scan(bytes_, 2) : bytes_.size();
    show(bytes_.substr(0, part_end_));
  }
  void show(std::string_view part) {
    source_.next_input_byte = reinterpret_cast<const JOCTET*>(part.data());
    source_.bytes_in_buffer = part.size();
  }

  /// Arithmetic coding leaves the zeros at a scan's end out, and libjpeg puts them back without a word, also where the
  /// scan was cut. So the file is given in parts that end with a scan's data, and we put the zeros back and count them.
  boolean next_part() {
    static constexpr char zeros[16] = {};
    if (!header_.arithmetic) return FALSE;
    const bool in_scan = codec_.input_iMCU_row < codec_.total_iMCU_rows;
    if (part_end_ == bytes_.size()) return FALSE;
    if (in_scan) {
      // A block takes at least 2 decisions, and 32768 of them a bit; 128 bytes are for contexts that adapt. Scans that
      // refine the DC coefficients are bits, coded as such.
      const bool bits = codec_.progressive_mode != FALSE && codec_.Ss == 0 && codec_.Ah != 0;
      zero_bytes_ += sizeof(zeros);
      if (zero_bytes_ > 128 + blocks() / (bits ? 8 : 65536)) fail("the end of a scan inside the image");
      show({zeros, sizeof(zeros)});
      return TRUE;
    }
    zero_bytes_ = 0;
    const std::size_t begin = part_end_;
    part_end_ = end_of_scan(bytes_, begin);
    show(bytes_.substr(begin, part_end_ - begin));
    return TRUE;
  }

  /// Of all components, as libjpeg keeps their coefficients.
  [[nodiscard]] std::uint64_t blocks() const {
    std::uint64_t count = 0;
    for (int c = 0; c < codec_.num_components; ++c) {
      const jpeg_component_info& part = codec_.comp_info[c];
      const auto whole = [](std::uint64_t n, int factor) {
        return (n + static_cast<unsigned>(factor) - 1) / static_cast<unsigned>(factor) * static_cast<unsigned>(factor);
      };
      count += whole(part.width_in_blocks, part.h_samp_factor) * whole(part.height_in_blocks, part.v_samp_factor);
    }
    return count;
  }

  void check_header() const {
    const std::uint64_t pixels = std::uint64_t{codec_.image_width} * codec_.image_height;
    check_image_size(file_, codec_.image_width, codec_.image_height);
    // Every block of 8 x 8 pixels has at least one bit in a Huffman-coded file: a lying header allocates little.
    if (pixels / (codec_.arith_code ? most_pixels_per_arithmetic_byte : 64 * 8) > bytes_.size()) {
      throw Error(ErrorCode::bad_file, file_,
                  std::to_string(codec_.image_width) + " x " + std::to_string(codec_.image_height) + " pixels from " +
                      std::to_string(bytes_.size()) + " bytes",
                  "a complete JPEG file");
    }
    if (codec_.num_components != 1 && codec_.num_components != 3 && codec_.num_components != 4) {
      throw Error(ErrorCode::bad_file, file_, std::to_string(codec_.num_components) + " colour components",
                  "grey, colour or CMYK");
    }
    const bool keeps_coefficients = jpeg_has_multiple_scans(const_cast<j_decompress_ptr>(&codec_)) != FALSE;
    const std::uint64_t rows = std::uint64_t{codec_.image_width} * 64 * static_cast<unsigned>(codec_.num_components);
    check_image_memory(file_, bytes_.size() + 3 * pixels + rows + (keeps_coefficients ? blocks() * sizeof(JBLOCK) : 0),
                       limits_);
    // That is all it may take; libjpeg must not think that it has less and put the rest into files.
    codec_.mem->max_memory_to_use = 0;
  }

  /// libjpeg calls it before each row of blocks that it reads.
  void count_scans() {
    if (codec_.input_scan_number == scans_) return;
    scans_ = codec_.input_scan_number;
    for (int c = 0; c < codec_.comps_in_scan; ++c) {
      const jpeg_component_info& part = *codec_.cur_comp_info[c];
      block_visits_ += std::uint64_t{part.width_in_blocks} * part.height_in_blocks;
    }
    if (scans_ > limits_.scans) {
      std::snprintf(expected_, sizeof(expected_), "at most %d scans (ImageLimits::scans)", limits_.scans);
      fail("more");
    }
    if (scans_ > 1 && block_visits_ > most_block_visits) {
      std::snprintf(expected_, sizeof(expected_), "at most %d scans of %u x %u pixels", scans_ - 1, codec_.image_width,
                    codec_.image_height);
      fail("more");
    }
  }

  void read_rows(UprightImage& image) {
    const auto samples = static_cast<std::size_t>(codec_.output_components);
    std::vector<std::uint8_t> other(samples == 3 ? 0 : samples * codec_.output_width);
    while (codec_.output_scanline < codec_.output_height) {
      std::uint8_t* rgb = image.next_row();
      guarded([&] {
        JSAMPROW row = samples == 3 ? rgb : other.data();
        if (jpeg_read_scanlines(&codec_, &row, 1) != 1) fail(cut);
      });
      if (samples != 3) to_rgb(other, samples, rgb);
      image.take_row();
    }
  }

  /// Grey is repeated; CMYK is read inverted, as Adobe writes it and Pillow reads it, and multiplied out as Pillow
  /// does.
  static void to_rgb(View<const std::uint8_t> row, std::size_t samples, std::uint8_t* rgb) {
    for (const std::uint8_t* in = row.data(); in != row.data() + row.size(); in += samples) {
      for (std::size_t c = 0; c < 3; ++c) *rgb++ = samples == 1 ? in[0] : cmyk_sample(in[c], in[3]);
    }
  }

  /// black - (255 - inverted_ink) * black / 255, rounded as Pillow's MULDIV255.
  static std::uint8_t cmyk_sample(std::uint8_t inverted_ink, std::uint8_t inverted_black) {
    const int product = (255 - inverted_ink) * inverted_black + 128;
    return static_cast<std::uint8_t>(inverted_black - (((product >> 8) + product) >> 8));
  }

  std::string file_;
  std::string_view bytes_;
  ImageLimits limits_;
  JpegHeader header_;
  jpeg_decompress_struct codec_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  std::size_t part_end_ = 0, zero_bytes_ = 0;
  int scans_ = 0;
  std::uint64_t block_visits_ = 0;
  std::jmp_buf jump_{};
  char message_[JMSG_LENGTH_MAX] = "", expected_[80] = "a complete JPEG file";
};

}  // namespace detail

/// Decodes a JPEG file (baseline, progressive, arithmetic; grey, YCbCr, RGB, CMYK, YCCK) to RGB, upright according to
/// its EXIF or XMP orientation. Its last row must be there; what follows may be missing or anything. Throws
/// Error(bad_file), also for truncated and damaged data that other decoders fill with grey, and beyond the limits.
inline Pixels decode_jpeg(std::string_view file, View<const std::byte> bytes, const ImageLimits& limits = {}) {
  return detail::JpegDecoder(file, bytes, limits).decode();
}

}  // namespace tessera
