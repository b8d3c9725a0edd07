// A tokenizer's sizes as one compile-time value. Every family of tokenizers is this struct with other fields.
#pragma once

#include <array>
#include <bit>

#include <tessera/core/types.hpp>

namespace tessera {

struct ImageSize {
  Index height = 0;
  Index width = 0;

  constexpr bool operator==(const ImageSize&) const = default;
};

/// A pre-LN vision transformer: `depth` blocks of width `dim` with `heads` heads, MLP of width dim * mlp_ratio.
struct TransformerConfig {
  Index dim = 0;
  Index depth = 0;
  Index heads = 0;
  Index mlp_ratio = 4;

  constexpr bool operator==(const TransformerConfig&) const = default;
};

/// How far a latent is from a code. Cosine: both are divided by max(norm, 1e-12) first.
enum class Metric { euclidean, cosine };

/// What the network sees of a picture whose bytes are u / 255 in [0, 1].
enum class InputRange {
  zero_one,       ///< as it is
  minus_one_one,  ///< x * 2 - 1
  imagenet,       ///< (x - mean) / std, per colour
};

/// What stands between encoder and decoder.
enum class QuantizeMode {
  vq,   ///< ids of the nearest codes
  vae,  ///< a diagonal Gaussian for each token: continuous latents
};

/// Embeddings of a text that the decoder sees beside the tokens (TA-TiTok, Kim et al. 2025, arXiv:2501.07730).
struct TextConfig {
  Index length = 0;  ///< of a text, in embeddings; 0: the decoder sees no text
  Index width = 0;   ///< of one embedding

  constexpr bool operator==(const TextConfig&) const = default;
};

/// MaskGIT-VQGAN's convolutional decoder behind the transformer, which then chooses among its codes (TiTok's second
/// training stage, Yu et al. 2024, arXiv:2406.07550, section 3.3).
struct PixelDecoderConfig {
  static constexpr Index most_levels = 8;
  static constexpr Index norm_groups = 32;

  Index hidden_channels = 0;                      ///< 0: no pixel decoder
  std::array<Index, most_levels> channel_mult{};  ///< channels of a level over hidden_channels, finest first; 0 ends it
  Index res_blocks = 0;                           ///< of each level
  Index z_channels = 0;                           ///< values of a code
  Index codebook_size = 0;                        ///< codes that the transformer chooses among

  /// Member by member: std::array's own comparison is no constant expression in libstdc++ 12's debug mode.
  constexpr bool operator==(const PixelDecoderConfig& other) const {
    for (std::size_t i = 0; i < channel_mult.size(); ++i) {
      if (channel_mult[i] != other.channel_mult[i]) return false;
    }
    return hidden_channels == other.hidden_channels && res_blocks == other.res_blocks &&
           z_channels == other.z_channels && codebook_size == other.codebook_size;
  }

  /// Levels; each but the finest one doubles the image's sides.
  [[nodiscard]] constexpr Index levels() const {
    Index count = 0;
    while (count < most_levels && channel_mult[static_cast<std::size_t>(count)] != 0) ++count;
    return count;
  }
  [[nodiscard]] constexpr Index channels(Index level) const {
    return hidden_channels * channel_mult[static_cast<std::size_t>(level)];
  }
  /// Whether the multiples are at least 1, and nothing follows the 0 that ends them.
  [[nodiscard]] constexpr bool has_whole_levels() const {
    for (Index i = 0; i < most_levels; ++i) {
      const Index mult = channel_mult[static_cast<std::size_t>(i)];
      if (i < levels() ? mult < 1 : mult != 0) return false;
    }
    return true;
  }
};

/// All sizes of a tokenizer. A structural type: use it as a template argument, `Tokenizer<my_config>`.
struct Config {
  ImageSize image{};
  Index channels = 3;
  Index patch_size = 0;
  TransformerConfig encoder{};
  TransformerConfig decoder{};
  Index latent_tokens = 0;  ///< T learned tokens are the image's tokens; 0: one token per patch
  bool class_token = false;
  Index codebook_size = 0;
  Index code_dim = 0;
  Metric metric = Metric::euclidean;
  InputRange range = InputRange::zero_one;
  double commitment = 0.25;  ///< beta of the VQ-VAE loss (van den Oord et al. 2017, arXiv:1711.00937, eq. 3)
  QuantizeMode quantize_mode = QuantizeMode::vq;
  TextConfig text{};
  /// Read the latent tokens' [T, D] memory as [D, T] before encoder.conv_out: a published bug that checkpoints need.
  bool reinterpreted_latents = false;
  PixelDecoderConfig pixel_decoder{};

  constexpr bool operator==(const Config&) const = default;

  [[nodiscard]] constexpr Index grid_height() const { return image.height / patch_size; }
  [[nodiscard]] constexpr Index grid_width() const { return image.width / patch_size; }
  /// N, the patches of one image.
  [[nodiscard]] constexpr Index patches() const { return grid_height() * grid_width(); }
  /// T, the tokens of one image.
  [[nodiscard]] constexpr Index tokens() const { return latent_tokens > 0 ? latent_tokens : patches(); }
  /// Rows of the encoder's sequence: class token, patches, latent tokens.
  [[nodiscard]] constexpr Index sequence() const { return (class_token ? 1 : 0) + patches() + latent_tokens; }
  /// Rows of the decoder's: the same, and the text behind them.
  [[nodiscard]] constexpr Index decoder_sequence() const { return sequence() + text.length; }
  [[nodiscard]] constexpr Index patch_values() const { return channels * patch_size * patch_size; }
  [[nodiscard]] constexpr Index image_values() const { return channels * image.height * image.width; }
  /// Of one image's text.
  [[nodiscard]] constexpr Index text_values() const { return text.length * text.width; }

  [[nodiscard]] constexpr bool has_codes() const { return quantize_mode == QuantizeMode::vq; }
  [[nodiscard]] constexpr bool has_text() const { return text.length > 0; }
  [[nodiscard]] constexpr bool has_pixel_decoder() const { return pixel_decoder.hidden_channels > 0; }
  /// Values that the encoder puts out for a token: a code's, or mean and log-variance.
  [[nodiscard]] constexpr Index latent_dim() const { return has_codes() ? code_dim : 2 * code_dim; }

  /// Bits of one id, ceil(log2(codebook_size)), or of the float32 values of a continuous token.
  [[nodiscard]] constexpr Index bits_per_token() const {
    if (!has_codes()) return 32 * code_dim;
    return std::bit_width(static_cast<std::uint64_t>(codebook_size - 1));
  }
  [[nodiscard]] constexpr Index bits_per_image() const { return tokens() * bits_per_token(); }
  /// 8-bit image bits over token bits.
  [[nodiscard]] constexpr double compression_ratio() const {
    return 8.0 * static_cast<double>(image_values()) / static_cast<double>(bits_per_image());
  }
};

/// Per-channel mean and standard deviation of an InputRange: x = (u / 255 - mean) / std.
struct RangeStatistics {
  std::array<float, 3> mean;
  std::array<float, 3> std;
};
constexpr RangeStatistics statistics(InputRange range) {
  switch (range) {
    case InputRange::minus_one_one:
      return {{0.5F, 0.5F, 0.5F}, {0.5F, 0.5F, 0.5F}};
    case InputRange::imagenet:  // torchvision.transforms.Normalize's usual values
      return {{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};
    case InputRange::zero_one:
      break;
  }
  return {{0.0F, 0.0F, 0.0F}, {1.0F, 1.0F, 1.0F}};
}

/// Instantiated by everything that takes a Config: a wrong one ends here, in one sentence.
template <Config config>
struct CheckedConfig {
  static_assert(config.image.height > 0 && config.image.width > 0,
                "Config::image must be at least 1 x 1; set {height, width}.");
  static_assert(config.channels > 0, "Config::channels must be at least 1.");
  static_assert(config.patch_size > 0, "Config::patch_size must be at least 1.");
  static_assert(config.patch_size <= 0 ||
                    (config.image.height % config.patch_size == 0 && config.image.width % config.patch_size == 0),
                "Config::patch_size must divide both sides of Config::image; pad or resize the image.");
  static_assert(config.encoder.dim > 0, "Config::encoder.dim must be at least 1.");
  static_assert(config.encoder.depth > 0, "Config::encoder.depth must be at least 1.");
  static_assert(config.encoder.heads > 0, "Config::encoder.heads must be at least 1.");
  static_assert(config.encoder.mlp_ratio > 0, "Config::encoder.mlp_ratio must be at least 1.");
  static_assert(
      config.encoder.heads <= 0 || config.encoder.dim % config.encoder.heads == 0,
      "Config::encoder.dim must be a multiple of Config::encoder.heads: heads are equal slices of the width.");
  static_assert(config.decoder.dim > 0, "Config::decoder.dim must be at least 1.");
  static_assert(config.decoder.depth > 0, "Config::decoder.depth must be at least 1.");
  static_assert(config.decoder.heads > 0, "Config::decoder.heads must be at least 1.");
  static_assert(config.decoder.mlp_ratio > 0, "Config::decoder.mlp_ratio must be at least 1.");
  static_assert(
      config.decoder.heads <= 0 || config.decoder.dim % config.decoder.heads == 0,
      "Config::decoder.dim must be a multiple of Config::decoder.heads: heads are equal slices of the width.");
  static_assert(config.latent_tokens >= 0, "Config::latent_tokens must not be negative; 0 means one token per patch.");
  static_assert(!config.class_token || config.latent_tokens > 0,
                "Config::class_token needs Config::latent_tokens: the patch family has no class token.");
  static_assert(!config.has_codes() || config.codebook_size > 0, "Config::codebook_size must be at least 1.");
  static_assert(
      config.has_codes() || config.codebook_size == 0,
      "Config::codebook_size must be 0 where Config::quantize_mode is vae: continuous latents have no codes.");
  static_assert(config.has_codes() || config.metric == Metric::euclidean,
                "Config::metric cosine needs codes; set Config::quantize_mode to vq.");
  static_assert(config.codebook_size <= (Index{1} << 31),
                "Config::codebook_size must be at most 2^31: a token is a 32-bit integer.");
  static_assert(config.code_dim > 0, "Config::code_dim must be at least 1.");
  static_assert(config.range != InputRange::imagenet || config.channels == 3,
                "Config::range imagenet has a mean and a deviation for 3 colours; set Config::channels to 3.");
  static_assert(config.commitment >= 0, "Config::commitment must not be negative.");
  static_assert((config.text.length > 0 && config.text.width > 0) || config.text == TextConfig{},
                "Config::text needs a length and a width of at least 1, or neither.");
  static_assert(!config.has_text() || config.latent_tokens > 0,
                "Config::text needs Config::latent_tokens: the patch family's decoder takes no text.");
  static_assert(!config.reinterpreted_latents || config.latent_tokens > 0,
                "Config::reinterpreted_latents needs Config::latent_tokens.");
  static_assert(config.has_pixel_decoder() || config.pixel_decoder == PixelDecoderConfig{},
                "Config::pixel_decoder.hidden_channels must be at least 1 where there is a pixel decoder.");
  static_assert(!config.has_pixel_decoder() || config.has_codes(),
                "Config::pixel_decoder needs codes; set Config::quantize_mode to vq.");
  static_assert(config.pixel_decoder.hidden_channels % PixelDecoderConfig::norm_groups == 0,
                "Config::pixel_decoder.hidden_channels must be a multiple of 32, the groups of its norms.");
  static_assert(!config.has_pixel_decoder() ||
                    (config.pixel_decoder.res_blocks > 0 && config.pixel_decoder.z_channels > 0 &&
                     config.pixel_decoder.codebook_size > 0),
                "Config::pixel_decoder needs res_blocks, z_channels and codebook_size of at least 1.");
  static_assert(config.pixel_decoder.has_whole_levels(),
                "Config::pixel_decoder.channel_mult must be numbers of at least 1, then nothing but 0.");
  static_assert(!config.has_pixel_decoder() || (config.pixel_decoder.levels() > 0 &&
                                                config.patch_size == Index{1} << (config.pixel_decoder.levels() - 1)),
                "Config::pixel_decoder.channel_mult must have one level more than there are doublings in "
                "Config::patch_size.");

  static constexpr Config value = config;
};

}  // namespace tessera
