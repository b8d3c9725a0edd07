// The sizes of a model as far as names and shapes of its tensors tell them. For people: what a file is, in the words in
// which its Config would be described.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>

#include <tessera/config.hpp>
#include <tessera/io/tensor_roles.hpp>

namespace tessera {

namespace detail {

/// Looks sizes up in shapes; 0 for what is not there.
class TensorSizes {
 public:
  TensorSizes(const WeightFile& file, const TensorNames& names) : file_(file), prefix_(names.prefix()) {}

  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  [[nodiscard]] Index size(std::string_view name, std::size_t dimension) const {
    constexpr Index most = Index{1} << 30;  // larger ones are no model's, and their products might overflow
    const StoredTensor* tensor = find(name);
    if (tensor == nullptr || dimension >= tensor->info->shape.size()) return 0;
    return std::min(tensor->info->shape[dimension], most);
  }
  /// How many of the list's layers have a tensor of this name: "encoder.transformer", "ln_1.weight".
  [[nodiscard]] Index count(const std::string& list, const std::string& name) const {
    Index n = 0;
    while (has(list + "." + std::to_string(n) + "." + name)) ++n;
    return n;
  }

 private:
  [[nodiscard]] const StoredTensor* find(std::string_view name) const {
    return file_.find(prefix_ + std::string(name));
  }

  const WeightFile& file_;
  std::string prefix_;
};

inline TransformerConfig transformer_of(const TensorSizes& sizes, const std::string& part) {
  TransformerConfig t;
  t.dim = sizes.size(part + ".ln_pre.weight", 0);
  t.depth = sizes.count(part + ".transformer", "ln_1.weight");
  t.mlp_ratio = t.dim > 0 ? sizes.size(part + ".transformer.0.mlp.c_fc.weight", 0) / t.dim : 0;
  return t;
}

inline PixelDecoderConfig pixel_decoder_of(const TensorSizes& sizes) {
  PixelDecoderConfig p;
  p.hidden_channels = sizes.size("pixel_decoder.norm_out.weight", 0);
  if (p.hidden_channels == 0) return p;
  for (Index level = 0; level < PixelDecoderConfig::most_levels; ++level) {
    const std::string weight = "pixel_decoder.up." + std::to_string(level) + ".block.0.conv1.weight";
    p.channel_mult[static_cast<std::size_t>(level)] = sizes.size(weight, 0) / p.hidden_channels;
  }
  p.res_blocks = sizes.count("pixel_decoder.mid", "conv1.weight");
  p.z_channels = sizes.size("pixel_quantize.embedding.weight", 1);
  p.codebook_size = sizes.size("pixel_quantize.embedding.weight", 0);
  return p;
}

/// The side of a square grid of so many patches; 0 where there is none.
inline Index square_side(Index patches) {
  if (patches <= 0) return 0;
  const auto side = static_cast<Index>(std::lround(std::sqrt(static_cast<double>(patches))));
  return side * side == patches ? side : 0;
}

}  // namespace detail

/// What the tensors tell of a Config: not heads, metric or range; images are taken for square ones. Sizes that no
/// tensor has are 0.
inline Config config_of_tensors(const WeightFile& file) {
  const detail::TensorSizes sizes(file, TensorNames(file));
  Config c;
  c.encoder = detail::transformer_of(sizes, "encoder");
  c.decoder = detail::transformer_of(sizes, "decoder");
  c.class_token = sizes.has("encoder.class_embedding");
  c.channels = sizes.size("encoder.patch_embed.weight", 1);
  c.patch_size = sizes.size("encoder.patch_embed.weight", 2);
  const Index patches = sizes.size("encoder.positional_embedding", 0) - (c.class_token ? 1 : 0);
  c.image.height = c.image.width = detail::square_side(patches) * c.patch_size;
  c.latent_tokens =
      std::max(sizes.size("latent_tokens", 0), sizes.size("encoder.latent_token_positional_embedding", 0));
  for (const char* name : {"quantize.embedding.weight", "quantizer.embedding_table.weight"}) {
    if (c.codebook_size == 0) c.codebook_size = sizes.size(name, 0);
  }
  c.code_dim = sizes.size("decoder.decoder_embed.weight", 1);
  const bool gaussian = c.code_dim > 0 && sizes.size("encoder.conv_out.weight", 0) == 2 * c.code_dim;
  c.quantize_mode = gaussian ? QuantizeMode::vae : QuantizeMode::vq;
  c.text = {sizes.size("decoder.text_guidance_positional_embedding", 0),
            sizes.size("decoder.text_guidance_proj.weight", 1)};
  c.pixel_decoder = detail::pixel_decoder_of(sizes);
  c.reinterpreted_latents = c.has_pixel_decoder();
  return c;
}

/// "patch", "latent", "titok", "titok legacy" or "ta-titok".
inline std::string family_of(const Config& c) {
  if (c.latent_tokens == 0) return "patch";
  if (!c.class_token) return "latent";
  if (c.has_pixel_decoder()) return "titok legacy";
  return c.has_text() ? "ta-titok" : "titok";
}

/// One line about a model's sizes: those that config_of_tensors() knows.
inline std::string summary(const Config& c) {
  const auto number = [](Index n) { return n > 0 ? std::to_string(n) : std::string("?"); };
  const auto transformer = [&](const TransformerConfig& t) { return number(t.depth) + " x " + number(t.dim); };
  const Index tokens = c.latent_tokens > 0 ? c.latent_tokens : c.patch_size > 0 ? c.patches() : 0;
  std::string text = family_of(c) + " model, " + number(c.image.height) + " x " + number(c.image.width) +
                     " images, patches of " + number(c.patch_size) + ", encoder " + transformer(c.encoder) +
                     ", decoder " + transformer(c.decoder) + ", " + number(tokens) + " tokens, ";
  if (!c.has_codes())
    text += "continuous";
  else
    text += c.codebook_size > 0 ? std::to_string(c.codebook_size) + " codes" : std::string("no codes");
  return text + " of dimension " + number(c.code_dim);
}

}  // namespace tessera
