// Between 8-bit pictures and what one model sees: its number of channels and its input range.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <tessera/config.hpp>
#include <tessera/core/error.hpp>
#include <tessera/data/normalize.hpp>
#include <tessera/data/pixels.hpp>

namespace tessera {

/// One mean and standard deviation a channel: x = (u / 255 - mean) / deviation.
struct ChannelStatistics {
  std::vector<float> mean, deviation;
};
inline ChannelStatistics channel_statistics(const Config& config) {
  const RangeStatistics range = statistics(config.range);
  ChannelStatistics result;
  for (Index c = 0; c < config.channels; ++c) {
    const auto colour = static_cast<std::size_t>(c % 3);  // ranges of more than 3 channels are alike in all of them
    result.mean.push_back(range.mean[colour]);
    result.deviation.push_back(range.std[colour]);
  }
  return result;
}

/// Between which values a model's images lie, black to white, over all channels.
struct ValueRange {
  float lowest, highest;
};
inline ValueRange input_range(const Config& config) {
  const ChannelStatistics range = channel_statistics(config);
  ValueRange values{0, 1};
  for (std::size_t c = 0; c < range.mean.size(); ++c) {
    const float black = (0 - range.mean[c]) / range.deviation[c], white = (1 - range.mean[c]) / range.deviation[c];
    values.lowest = c == 0 ? black : std::min(values.lowest, black);
    values.highest = c == 0 ? white : std::max(values.highest, white);
  }
  return values;
}

/// An RGB photograph with the model's channels: as it is, or grey. Throws Error(mismatch) for other channels.
inline Pixels with_channels(Pixels rgb, const Config& config) {
  if (config.channels == 1) return to_grey(rgb);
  if (config.channels == 3) return rgb;
  throw Error(ErrorCode::mismatch, "photograph", "a model of " + std::to_string(config.channels) + " channels",
              "1 or 3 channels (give other data as .npy)");
}

/// pixels [H, W, C] of the model's size -> out [C, H, W] in the model's range.
inline void to_model_range(const Config& config, const Pixels& pixels, View<float> out) {
  const ChannelStatistics range = channel_statistics(config);
  normalize(pixels, range.mean, range.deviation, out);
}

/// image [C, H, W] in the model's range -> pixels, clamped.
inline Pixels to_pixels(const Config& config, View<const float> image) {
  const ChannelStatistics range = channel_statistics(config);
  return denormalize(image, config.image.height, config.image.width, range.mean, range.deviation);
}

}  // namespace tessera
