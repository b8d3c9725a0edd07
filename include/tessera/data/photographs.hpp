// Training images cut from a folder of photographs. Each is decoded once and kept as a pyramid of sizes, so that a
// random crop at a random size costs a copy.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <string>
#include <vector>

#include <tessera/core/parallel.hpp>
#include <tessera/data/image_folder.hpp>
#include <tessera/data/image_source.hpp>
#include <tessera/data/model_pixels.hpp>
#include <tessera/data/resize.hpp>
#include <tessera/io/image.hpp>

namespace tessera {

struct PhotographOptions {
  Augment augment{.crop = true, .flip = true};
  Filter filter = Filter::bicubic;
  bool skip_broken = false;                   ///< leave out files that cannot be decoded instead of failing
  std::filesystem::path leave_out{};          ///< a folder below, whose pictures are not training images
  std::size_t memory = std::size_t{2} << 30;  ///< bytes of pyramids; photographs beyond are decoded at every use
};

namespace detail {

/// Sizes of one photograph, the coarsest first. Level 0 just covers the model's image; each next one is sqrt(2) larger,
/// up to 6 times and to the photograph's own size. No photograph is enlarged, except to level 0.
inline std::vector<Pixels> photograph_pyramid(const Pixels& photograph, ImageSize size, Filter filter) {
  constexpr double largest = 6.0;
  const auto sides = [](Index a, double scale) {
    return static_cast<Index>(std::lround(static_cast<double>(a) * scale));
  };
  const auto cover = std::max(static_cast<double>(size.height) / static_cast<double>(photograph.height),
                              static_cast<double>(size.width) / static_cast<double>(photograph.width));
  std::vector<double> scales{cover};
  for (double factor = std::numbers::sqrt2; factor <= largest && cover * factor <= 1.0; factor *= std::numbers::sqrt2) {
    scales.push_back(cover * factor);
  }
  std::vector<Pixels> levels(scales.size());
  for (std::size_t k = scales.size(); k-- > 0;) {
    // Twice as large is enough for the antialiased filter, and costs less than starting from the photograph.
    const Pixels& source = k + 2 < levels.size() ? levels[k + 2] : photograph;
    levels[k] = resize(source, std::max(size.height, sides(photograph.height, scales[k])),
                       std::max(size.width, sides(photograph.width, scales[k])), filter);
  }
  return levels;
}

inline Pixels crop(const Pixels& in, Index top, Index left, ImageSize size) {
  Pixels out(size.height, size.width, in.channels);
  for (Index y = 0; y < size.height; ++y) {
    std::copy_n(in.row(top + y) + left * in.channels, size.width * in.channels, out.row(y));
  }
  return out;
}

/// Level k with probability proportional to 1 / (k + 1): coarse levels show whole scenes, fine ones texture.
inline std::size_t draw_level(std::size_t levels, Random& random) {
  double sum = 0;
  for (std::size_t k = 0; k < levels; ++k) sum += 1.0 / static_cast<double>(k + 1);
  double left = random.uniform() * sum;
  for (std::size_t k = 0; k + 1 < levels; ++k) {
    left -= 1.0 / static_cast<double>(k + 1);
    if (left < 0) return k;
  }
  return levels - 1;
}

}  // namespace detail

class Photographs final : public ImageSource {
 public:
  /// Decodes every JPEG and PNG file in and below `folder`.
  /// Throws Error: file_access or bad_file that names a file (unless skip_broken), mismatch for the model's channels.
  Photographs(const std::filesystem::path& folder, const Config& config, const PhotographOptions& options = {})
      : config_(config), options_(options) {
    const std::vector<std::string> files = list_images(folder, options.leave_out).files;
    std::vector<std::vector<Pixels>> levels(files.size());
    std::vector<char> broken(files.size());
    std::atomic<std::size_t> memory = 0;
    parallel_for_or_throw(static_cast<Index>(files.size()), [&](Index i) {
      const auto at = static_cast<std::size_t>(i);
      try {
        std::vector<Pixels> decoded = decode(files[at]);
        std::size_t bytes = 0;
        for (const Pixels& level : decoded) bytes += level.values.size();
        if (memory.fetch_add(bytes) + bytes <= options.memory) levels[at] = std::move(decoded);
      } catch (const Error& error) {
        if (!options.skip_broken || error.code() == ErrorCode::mismatch) throw;
        broken[at] = 1;
      }
    });
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (broken[i]) {
        skipped_.push_back(files[i]);
        continue;
      }
      files_.push_back(files[i]);
      levels_.push_back(std::move(levels[i]));
    }
    if (files_.empty()) throw Error(ErrorCode::bad_file, folder.string(), "only broken images", "one that decodes");
  }

  [[nodiscard]] Index count() const override { return static_cast<Index>(files_.size()); }
  /// Files left out because they are broken.
  [[nodiscard]] const std::vector<std::filesystem::path>& skipped() const { return skipped_; }

  void augmented(Index i, Random random, View<float> out) const override {
    use(i, [&](const std::vector<Pixels>& levels) {
      if (options_.augment.crop) {
        const Pixels& level = levels[detail::draw_level(levels.size(), random)];
        const Index top = random.below(level.height - config_.image.height + 1);
        const Index left = random.below(level.width - config_.image.width + 1);
        to_model_range(config_, detail::crop(level, top, left, config_.image), out);
      } else {
        centre(levels, out);
      }
    });
    if (options_.augment.flip && random.below(2) == 1) detail::flip_horizontally(out, config_.image.width);
  }

  void plain(Index i, View<float> out) const override {
    use(i, [&](const std::vector<Pixels>& levels) { centre(levels, out); });
  }

 private:
  /// The pyramid, or without crops only the centre of its coarsest level.
  [[nodiscard]] std::vector<Pixels> decode(const std::filesystem::path& file) const {
    const Pixels photograph = with_channels(read_image(file), config_);
    if (std::max(photograph.height, photograph.width) > 32 * std::min(photograph.height, photograph.width)) {
      throw Error(ErrorCode::bad_file, file.string(),
                  std::to_string(photograph.width) + " x " + std::to_string(photograph.height) + " pixels",
                  "sides of a ratio up to 32 : 1 (thinner ones, as large as the model's image, fill the memory)");
    }
    if (options_.augment.crop) return detail::photograph_pyramid(photograph, config_.image, options_.filter);
    return {resize_and_crop(photograph, config_.image.height, config_.image.width, options_.filter)};
  }

  template <class Use>
  void use(Index i, Use&& use) const {
    const std::vector<Pixels>& kept = levels_[static_cast<std::size_t>(i)];
    if (kept.empty())
      use(decode(files_[static_cast<std::size_t>(i)]));
    else
      use(kept);
  }

  void centre(const std::vector<Pixels>& levels, View<float> out) const {
    const Pixels& level = levels.front();
    const Index top = detail::center_crop_offset(level.height, config_.image.height);
    const Index left = detail::center_crop_offset(level.width, config_.image.width);
    to_model_range(config_, detail::crop(level, top, left, config_.image), out);
  }

  Config config_;
  PhotographOptions options_;
  std::vector<std::filesystem::path> files_, skipped_;
  std::vector<std::vector<Pixels>> levels_;  // of each file; empty: decode it again
};

}  // namespace tessera
