// Where training images come from.
#pragma once

#include <algorithm>

#include <tessera/config.hpp>
#include <tessera/core/random.hpp>
#include <tessera/core/types.hpp>

namespace tessera {

/// What is drawn anew each time an image is used.
struct Augment {
  bool crop = false;  ///< a random part of the photograph at a random size, instead of its centre
  bool flip = false;  ///< left and right swapped, every second time

  bool operator==(const Augment&) const = default;
};

/// Numbered images of one model's shape.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  [[nodiscard]] virtual Index count() const = 0;
  /// Image i, augmented by `random` alone, -> out [C, H, W] in the model's range. Threads may call it at the same time.
  /// Throws Error when a file cannot be read again.
  virtual void augmented(Index i, Random random, View<float> out) const = 0;
  /// Image i without augmentation.
  virtual void plain(Index i, View<float> out) const = 0;
  /// The image that augmented(i) and plain(i) gave: another one where a source replaces those that cannot be read.
  [[nodiscard]] virtual Index used(Index i) const { return i; }
};

namespace detail {

/// Swaps left and right of image [channels, height, width].
inline void flip_horizontally(View<float> image, Index width) {
  for (auto row = image.begin(); row != image.end(); row += width) std::reverse(row, row + width);
}

}  // namespace detail

}  // namespace tessera
