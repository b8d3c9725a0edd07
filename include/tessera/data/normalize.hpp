// Between 8-bit pixels [H, W, C] and a model's input [C, H, W]: x = (pixel / 255 - mean) / std, channel by channel.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/data/pixels.hpp>

namespace tessera {

namespace detail {

inline void check_normalize(Index height, Index width, Index channels, std::size_t elements, View<const float> mean,
                            View<const float> deviation) {
  const auto c = static_cast<std::size_t>(channels);
  if (static_cast<std::size_t>(height * width * channels) == elements && mean.size() == c && deviation.size() == c)
    return;
  throw Error(ErrorCode::bad_argument, "normalize",
              std::to_string(elements) + " elements, " + std::to_string(mean.size()) + " means, " +
                  std::to_string(deviation.size()) + " standard deviations",
              std::to_string(height) + " x " + std::to_string(width) + " x " + std::to_string(channels) +
                  " elements and one mean and standard deviation a channel");
}

}  // namespace detail

/// pixels [H, W, C] -> out [C, H, W]. mean, deviation: [C]; 0 and 1 give [0,1], 0.5 and 0.5 give [-1,1]. Every
/// operation is rounded to float32, as torchvision's ToTensor and Normalize do. Throws Error(bad_argument) for other
/// sizes.
inline void normalize(const Pixels& pixels, View<const float> mean, View<const float> deviation, View<float> out) {
  detail::check_normalize(pixels.height, pixels.width, pixels.channels, out.size(), mean, deviation);
  const auto plane = static_cast<std::size_t>(pixels.height * pixels.width);
  const auto channels = static_cast<std::size_t>(pixels.channels);
  for (std::size_t c = 0; c < channels; ++c) {
    const std::uint8_t* in = pixels.values.data() + c;
    for (std::size_t i = 0; i < plane; ++i) {
      out[c * plane + i] = (static_cast<float>(in[i * channels]) / 255.0f - mean[c]) / deviation[c];
    }
  }
}

/// The way back: image [C, H, W] in the model's range -> 8-bit pixels, clamped and rounded to the nearest; NaN gives 0.
/// Throws Error(bad_argument) if sizes differ.
inline Pixels denormalize(View<const float> image, Index height, Index width, View<const float> mean,
                          View<const float> deviation) {
  Pixels pixels(height, width, static_cast<Index>(mean.size()));
  detail::check_normalize(height, width, pixels.channels, image.size(), mean, deviation);
  const auto plane = static_cast<std::size_t>(height * width);
  const std::size_t channels = mean.size();
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t i = 0; i < plane; ++i) {
      const float level = (image[c * plane + i] * deviation[c] + mean[c]) * 255.0f;
      pixels.values[i * channels + c] =
          level >= 0.0f ? static_cast<std::uint8_t>(std::nearbyint(std::min(level, 255.0f))) : std::uint8_t{0};
    }
  }
  return pixels;
}

}  // namespace tessera
