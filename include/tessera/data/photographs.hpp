// Training images cut from a folder of photographs. Each is decoded when it is first used and kept as a pyramid of
// sizes, so that a random crop at a random size costs a copy.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <numbers>
#include <string>
#include <vector>

#include <tessera/data/image_folder.hpp>
#include <tessera/data/image_source.hpp>
#include <tessera/data/model_pixels.hpp>
#include <tessera/data/resize.hpp>
#include <tessera/io/image.hpp>

namespace tessera {

struct PhotographOptions {
  Augment augment{.crop = true, .flip = true};
  Filter filter = Filter::bicubic;
  ImageLimits limits{};                       ///< of decoding one of them
  bool skip_broken = false;                   ///< use the next photograph for one that cannot be decoded
  std::size_t memory = std::size_t{2} << 30;  ///< bytes of pyramids; photographs beyond are decoded at every use
  /// With skip_broken: called for each file that cannot be decoded, when it is met; by one thread at a time.
  std::function<void(const std::filesystem::path& file, const Error& why)> on_broken{};
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
  using Pyramid = std::vector<Pixels>;

 public:
  /// Lists the image files in and below `folder` (list_images), and decodes none. Throws Error: file_access, bad_file
  /// where there is none, mismatch for the model's channels.
  Photographs(const std::filesystem::path& folder, const Config& config, const PhotographOptions& options = {})
      : config_(config), options_(options), folder_(folder) {
    (void)with_channels(Pixels(1, 1, 3), config);
    ImageListing listing = list_images(folder);
    files_ = std::move(listing.files);
    left_out_ = std::move(listing.left_out);
    kept_.resize(files_.size());
    broken_.resize(files_.size());
  }

  /// Files that were listed, broken ones among them.
  [[nodiscard]] Index count() const override { return static_cast<Index>(files_.size()); }
  /// What else the folder holds.
  [[nodiscard]] const LeftOut& left_out() const { return left_out_; }
  /// Files that were found to be broken so far.
  [[nodiscard]] std::vector<std::filesystem::path> skipped() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::filesystem::path> files;
    for (std::size_t i = 0; i < files_.size(); ++i) {
      if (broken_[i] != 0) files.push_back(files_[i]);
    }
    return files;
  }

  /// i, or with skip_broken the next photograph after it, and after the last the first, that is not known as broken.
  [[nodiscard]] Index used(Index i) const override {
    const std::lock_guard lock(mutex_);
    for (Index n = 0; n < count(); ++n) {
      const Index file = (i + n) % count();
      if (broken_[static_cast<std::size_t>(file)] == 0) return file;
    }
    throw Error(ErrorCode::bad_file, folder_.string(), "only broken images", "one that decodes");
  }

  /// Throw Error(file_access or bad_file) that names the file; with skip_broken only where all files are broken.
  void augmented(Index i, Random random, View<float> out) const override {
    const std::shared_ptr<const Pyramid> levels = pyramid(i);
    if (options_.augment.crop) {
      const Pixels& level = (*levels)[detail::draw_level(levels->size(), random)];
      const Index top = random.below(level.height - config_.image.height + 1);
      const Index left = random.below(level.width - config_.image.width + 1);
      to_model_range(config_, detail::crop(level, top, left, config_.image), out);
    } else {
      centre(*levels, out);
    }
    if (options_.augment.flip && random.below(2) == 1) detail::flip_horizontally(out, config_.image.width);
  }

  void plain(Index i, View<float> out) const override { centre(*pyramid(i), out); }

 private:
  /// The pyramid, or without crops only the centre of its coarsest level.
  [[nodiscard]] std::vector<Pixels> decode(const std::filesystem::path& file) const {
    const Pixels photograph = with_channels(read_image(file, options_.limits), config_);
    if (std::max(photograph.height, photograph.width) > 32 * std::min(photograph.height, photograph.width)) {
      throw Error(ErrorCode::bad_file, file.string(),
                  std::to_string(photograph.width) + " x " + std::to_string(photograph.height) + " pixels",
                  "sides of a ratio up to 32 : 1 (thinner ones, as large as the model's image, fill the memory)");
    }
    if (options_.augment.crop) return detail::photograph_pyramid(photograph, config_.image, options_.filter);
    return {resize_and_crop(photograph, config_.image.height, config_.image.width, options_.filter)};
  }

  /// Of photograph i or the one that stands for it.
  [[nodiscard]] std::shared_ptr<const Pyramid> pyramid(Index i) const {
    for (;;) {
      const Index file = used(i);
      const auto at = static_cast<std::size_t>(file);
      {
        const std::lock_guard lock(mutex_);
        if (kept_[at]) return kept_[at];
      }
      try {
        return keep(at, std::make_shared<const Pyramid>(decode(files_[at])));
      } catch (const Error& error) {
        if (!options_.skip_broken) throw;
        note_broken(at, error);
      }
    }
  }

  /// Keeps it, as long as there is memory for it.
  std::shared_ptr<const Pyramid> keep(std::size_t file, std::shared_ptr<const Pyramid> pyramid) const {
    std::size_t bytes = 0;
    for (const Pixels& level : *pyramid) bytes += level.values.size();
    const std::lock_guard lock(mutex_);
    if (kept_[file]) return kept_[file];  // another thread was faster
    if (bytes > options_.memory - held_) return pyramid;
    held_ += bytes;
    kept_[file] = pyramid;
    return pyramid;
  }

  void note_broken(std::size_t file, const Error& why) const {
    const std::lock_guard lock(mutex_);
    if (broken_[file] != 0) return;
    broken_[file] = 1;
    if (options_.on_broken) options_.on_broken(files_[file], why);
  }

  void centre(const std::vector<Pixels>& levels, View<float> out) const {
    const Pixels& level = levels.front();
    const Index top = detail::center_crop_offset(level.height, config_.image.height);
    const Index left = detail::center_crop_offset(level.width, config_.image.width);
    to_model_range(config_, detail::crop(level, top, left, config_.image), out);
  }

  Config config_;
  PhotographOptions options_;
  std::filesystem::path folder_;
  std::vector<std::string> files_;
  LeftOut left_out_;
  mutable std::mutex mutex_;                                  // guards what follows
  mutable std::vector<std::shared_ptr<const Pyramid>> kept_;  // of each file; empty: decode it again
  mutable std::vector<char> broken_;                          // each file
  mutable std::size_t held_ = 0;                              // bytes of kept_
};

}  // namespace tessera
