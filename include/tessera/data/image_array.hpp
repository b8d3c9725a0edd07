// Training images in one .npy file.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <tessera/data/image_source.hpp>
#include <tessera/data/model_pixels.hpp>
#include <tessera/io/npy.hpp>

namespace tessera {

/// A memory-mapped array of images: float32 [..., C, H, W] in the model's range, or uint8 [..., H, W, C]. All leading
/// dimensions count images. They have the model's size, so that a crop has no choice.
class ImageArray final : public ImageSource {
 public:
  /// Throws Error: file_access, bad_file, or mismatch when the array's last dimensions are not the model's, or many of
  /// its values lie far outside the model's range: 0 to 255 where -1 to 1 is meant. Some images are looked at for that.
  ImageArray(const std::filesystem::path& path, const Config& config, Augment augment = {})
      : config_(config), file_(path), flip_(augment.flip) {
    const Config& c = config;
    const bool bytes = file_.dtype() == DType::u8;
    const std::vector<Index> last = bytes ? std::vector<Index>{c.image.height, c.image.width, c.channels}
                                          : std::vector<Index>{c.channels, c.image.height, c.image.width};
    const std::vector<Index>& shape = file_.shape();
    if (!bytes && file_.dtype() != DType::f32) {
      throw Error(ErrorCode::mismatch, file_.path(), std::string(name_of(file_.dtype())) + " elements",
                  "F32 [..., C, H, W] in the model's range, or U8 [..., H, W, C]");
    }
    if (shape.size() < 3 || !std::equal(last.begin(), last.end(), shape.end() - 3)) {
      const std::string text = to_string(last);
      throw Error(ErrorCode::mismatch, file_.path(), "shape " + to_string(shape),
                  "[..., " + text.substr(1) +
                      (bytes ? " (uint8: height, width, channels)" : " (float32: channels, height, width)"));
    }
    count_ = static_cast<Index>(file_.bytes().size()) / (config.image_values() * byte_size(file_.dtype()));
    if (count_ == 0) throw Error(ErrorCode::mismatch, file_.path(), "no image", "at least one");
    if (!bytes) check_range();
  }

  [[nodiscard]] Index count() const override { return count_; }

  void augmented(Index i, Random random, View<float> out) const override {
    plain(i, out);
    if (flip_ && random.below(2) == 1) detail::flip_horizontally(out, config_.image.width);
  }

  void plain(Index i, View<float> out) const override {
    const Index values = config_.image_values();
    if (file_.dtype() == DType::f32) {
      check_finite(stored(i), i);
      std::ranges::copy(stored(i), out.begin());
      return;
    }
    Pixels pixels(config_.image.height, config_.image.width, config_.channels);
    std::copy_n(file_.values<std::uint8_t>().data() + i * values, values, pixels.values.data());
    to_model_range(config_, pixels, out);
  }

 private:
  /// Many: every tenth, since images may have a black background. Far outside: by ten times the width of the range.
  void check_range() const {
    constexpr Index most = 16;  // images, spread over all
    const ValueRange range = input_range(config_);
    const float far = 10 * (range.highest - range.lowest), low = range.lowest - far, high = range.highest + far;
    float lowest = std::numeric_limits<float>::infinity(), highest = -lowest;
    Index values = 0, outside = 0;
    for (Index k = 0; k < std::min(most, count_); ++k) {
      const Index image = k * count_ / std::min(most, count_);
      for (const float x : stored(image)) {
        if (!std::isfinite(x)) continue;  // plain() names them
        lowest = std::min(lowest, x);
        highest = std::max(highest, x);
        ++values;
        outside += x < low || x > high ? 1 : 0;
      }
    }
    if (10 * outside <= values) return;
    throw Error(ErrorCode::mismatch, file_.path(), "values from " + text(lowest) + " to " + text(highest),
                "about " + text(range.lowest) + " to " + text(range.highest) + ", the model's range");
  }

  static std::string text(float x) {
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, "%.4g", static_cast<double>(x));
    return buffer;
  }

  /// Image i of an array of float32.
  [[nodiscard]] View<const float> stored(Index i) const {
    const auto each = static_cast<std::size_t>(config_.image_values());
    return file_.values<float>().subspan(static_cast<std::size_t>(i) * each, each);
  }

  /// Tokens and losses of such values would look like any others.
  void check_finite(View<const float> values, Index image) const {
    const auto wrong = std::ranges::find_if_not(values, [](float x) { return std::isfinite(x); });
    if (wrong == values.end()) return;
    throw Error(ErrorCode::bad_file, file_.path(), std::to_string(*wrong) + " in image " + std::to_string(image),
                "numbers in the model's range");
  }

  Config config_;
  NpyFile file_;
  bool flip_;
  Index count_ = 0;
};

}  // namespace tessera
