// A small image that a model file carries, and the tokens that it had where the file was written: whoever loads the
// model can encode it again, and knows whether this build, on this machine, still gives the same tokens.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <tessera/config.hpp>
#include <tessera/core/error.hpp>
#include <tessera/core/random.hpp>
#include <tessera/data/model_pixels.hpp>
#include <tessera/data/pixels.hpp>
#include <tessera/io/json.hpp>

namespace tessera {

/// In the metadata of a model's file.
inline constexpr const char* self_check_key = "tessera.check";

/// Whether loading a model encodes its image again.
enum class Verify { no, yes };

/// An image with its tokens.
struct SelfCheck {
  Pixels image;                  ///< at most 32 x 32, of the model's channels; the model sees it enlarged
  std::vector<Token> ids{};      ///< [T], where tokens are ids
  std::vector<float> latents{};  ///< [T, code_dim], where they are continuous
};

/// What came of encoding the image again.
struct SelfCheckResult {
  Index different = 0;            ///< ids that changed, or numbers beyond what float32's rounding explains
  double largest_difference = 0;  ///< of the numbers, over their largest magnitude

  [[nodiscard]] bool passed() const { return different == 0; }
};

namespace detail {

inline constexpr Index check_side = 32;

/// Boxes of all sizes and colours.
inline Pixels check_image(const Config& config) {
  Pixels image(std::min(config.image.height, check_side), std::min(config.image.width, check_side), config.channels);
  Random random(20240607);
  for (int box = 0; box < 64; ++box) {
    const Index top = random.below(image.height), left = random.below(image.width);
    const Index bottom = std::min(image.height, top + 1 + random.below(image.height));
    const Index right = std::min(image.width, left + 1 + random.below(image.width));
    for (Index c = 0; c < image.channels; ++c) {
      const auto level = static_cast<std::uint8_t>(random.below(256));
      for (Index y = top; y < bottom; ++y) {
        for (Index x = left; x < right; ++x) image.row(y)[x * image.channels + c] = level;
      }
    }
  }
  return image;
}

/// Enlarged to the model's size by repeating pixels, in the model's range.
inline std::vector<float> check_input(const Config& config, const Pixels& small) {
  Pixels image(config.image.height, config.image.width, config.channels);
  for (Index y = 0; y < image.height; ++y) {
    const std::uint8_t* const from = small.row(y * small.height / image.height);
    for (Index x = 0; x < image.width; ++x) {
      std::copy_n(from + x * small.width / image.width * image.channels, image.channels,
                  image.row(y) + x * image.channels);
    }
  }
  std::vector<float> values(static_cast<std::size_t>(config.image_values()));
  to_model_range(config, image, values);
  return values;
}

inline void require_sizes(const Config& config, const SelfCheck& check) {
  const Pixels& image = check.image;
  const bool codes = config.has_codes();
  check_count("self-check", "ids", check.ids.size(), codes ? config.tokens() : 0);
  check_count("self-check", "latents", check.latents.size(), codes ? 0 : config.tokens() * config.code_dim);
  check_count("self-check", "channels", static_cast<std::size_t>(image.channels), config.channels);
  check_count("self-check", "values of pixels", image.values.size(), image.height * image.width * image.channels);
  if (image.values.empty()) throw Error(ErrorCode::bad_argument, "self-check", "an empty image", "pixels");
}

template <class Encode>
SelfCheck encode_check_image(const Config& config, const Pixels& image, Encode&& encode) {
  const auto size = [](Index count) { return static_cast<std::size_t>(count); };
  SelfCheck check{.image = image};
  if (config.has_codes())
    check.ids.resize(size(config.tokens()));
  else
    check.latents.resize(size(config.tokens() * config.code_dim));
  const std::vector<float> input = check_input(config, image);
  encode(View<const float>(input), View<Token>(check.ids), View<float>(check.latents));
  return check;
}

}  // namespace detail

/// A check to be saved. encode(image, ids, latents) encodes one image [C, H, W] in the model's range into that of the
/// views which is not empty.
template <class Encode>
SelfCheck make_self_check(const Config& config, Encode&& encode) {
  return detail::encode_check_image(config, detail::check_image(config), encode);
}

/// Encodes the image of `check` again, as above. Throws Error(bad_argument) for a check of other sizes.
template <class Encode>
SelfCheckResult run_self_check(const Config& config, const SelfCheck& check, Encode&& encode) {
  // Ids are equal or not; of the published models' latents, this is what float32's rounding can change.
  constexpr double tolerance = 2e-5;
  detail::require_sizes(config, check);
  const SelfCheck now = detail::encode_check_image(config, check.image, encode);
  SelfCheckResult result;
  for (std::size_t i = 0; i < now.ids.size(); ++i) result.different += now.ids[i] != check.ids[i];
  double largest = 1e-30;
  for (const float x : check.latents) largest = std::max(largest, std::fabs(double{x}));
  for (std::size_t i = 0; i < now.latents.size(); ++i) {
    const double difference = std::fabs(double{now.latents[i]} - double{check.latents[i]}) / largest;
    result.different += !(difference <= tolerance);
    result.largest_difference = std::max(result.largest_difference, difference);
  }
  return result;
}

/// What self_check_from_json_text() reads.
inline std::string to_json_text(const SelfCheck& check) {
  const Pixels& image = check.image;
  JsonText text;
  text.begin_object();
  text.key("shape").array(std::array<Index, 3>{image.height, image.width, image.channels});
  text.key("image").array(image.values);
  if (!check.ids.empty()) text.key("ids").array(check.ids);
  if (!check.latents.empty()) text.key("latents").array(check.latents);
  return std::move(text.end_object()).text();
}

/// subject: the file that the text comes from. Throws Error(bad_file) for anything that is no check of a model of this
/// Config.
inline SelfCheck self_check_from_json_text(std::string_view text, std::string_view subject, const Config& config) {
  const auto require = [&](bool holds, const std::string& found) {
    if (!holds) throw Error(ErrorCode::bad_file, subject, found + " of " + self_check_key, "a check of this model");
  };
  const std::optional<JsonValue> json = parse_json(text);
  const auto numbers = [&]<class T>(const char* name, std::size_t count, T lowest, T highest) {
    std::vector<T> values;
    const JsonValue* const array = json ? json->find(name) : nullptr;
    require(array != nullptr && array->is_array() && array->items().size() == count,
            std::string("no \"") + name + "\" of " + std::to_string(count) + " numbers");
    for (const JsonValue& item : array->items()) {
      const auto number = [&] {
        if constexpr (std::is_floating_point_v<T>)
          return item.real();
        else
          return item.integer();
      }();
      require(number && *number >= lowest && *number <= highest, std::string("a value of \"") + name + "\"");
      values.push_back(static_cast<T>(*number));
    }
    return values;
  };
  const auto size = [](Index count) { return static_cast<std::size_t>(count); };
  const auto shape = numbers("shape", 3, Index{1}, std::max(detail::check_side, config.channels));
  SelfCheck check{
      .image = Pixels(std::min(shape[0], detail::check_side), std::min(shape[1], detail::check_side), config.channels)};
  require(shape == std::vector<Index>{check.image.height, check.image.width, config.channels}, "a \"shape\"");
  check.image.values = numbers("image", check.image.values.size(), std::uint8_t{0}, std::uint8_t{255});
  constexpr float largest = std::numeric_limits<float>::max();
  if (config.has_codes())
    check.ids = numbers("ids", size(config.tokens()), Token{0}, static_cast<Token>(config.codebook_size - 1));
  else
    check.latents = numbers("latents", size(config.tokens() * config.code_dim), -largest, largest);
  return check;
}

/// Throws Error(mismatch) where `result` did not pass; `file` names the model.
inline void require_passed(const std::string& file, const SelfCheckResult& result) {
  if (result.passed()) return;
  throw Error(ErrorCode::mismatch, file,
              "other tokens for the image that it carries (" + std::to_string(result.different) + " differ)",
              "those that it had where the file was written");
}

}  // namespace tessera
