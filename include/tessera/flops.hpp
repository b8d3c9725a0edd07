// Floating-point operations of one image, a multiplication and an addition counting as two: the matrix products,
// attention, nearest code and convolutions, over the rows that are computed (nn/transformer_block.hpp).
#pragma once

#include <tessera/config.hpp>

namespace tessera {

namespace detail {

/// Multiply-adds of a stack of blocks over `rows`, whose last one hands on `kept` rows.
constexpr double transformer_products(const TransformerConfig& t, Index rows, Index kept) {
  const auto block = [&](Index q_rows) {
    const double D = static_cast<double>(t.dim), q = static_cast<double>(q_rows), r = static_cast<double>(rows);
    const double keys_and_values = 2 * r * D * D, attention = 2 * q * r * D;
    const double per_query = 2 * D * D + 2 * static_cast<double>(t.mlp_ratio) * D * D;
    return keys_and_values + attention + q * per_query;
  };
  return static_cast<double>(t.depth - 1) * block(rows) + block(kept);
}

/// Multiply-adds of a 3 x 3 convolution, those with the zeros around the map too.
constexpr double convolution_products(Index pixels, Index in, Index out) {
  return 9 * static_cast<double>(pixels) * static_cast<double>(in) * static_cast<double>(out);
}

/// Of nn/pixel_decoder.hpp: a map of `pixels` codes -> image.
constexpr double pixel_decoder_products(const PixelDecoderConfig& p, Index pixels, Index image_channels) {
  const auto blocks = [&p](Index map, Index in, Index out) {
    const double first = convolution_products(map, in, out) + convolution_products(map, out, out);
    const double shortcut = in == out ? 0.0 : static_cast<double>(map * out * out);
    return first + shortcut + 2 * static_cast<double>(p.res_blocks - 1) * convolution_products(map, out, out);
  };
  Index map = pixels, width = p.channels(p.levels() - 1);
  double products = convolution_products(map, p.z_channels, width) + blocks(map, width, width);
  for (Index level = p.levels() - 1; level >= 0; --level) {
    products += blocks(map, width, p.channels(level));
    width = p.channels(level);
    if (level == 0) break;
    map *= 4;
    products += convolution_products(map, width, width);
  }
  return products + convolution_products(map, width, image_channels);
}

/// Of nn/patch_head.hpp or nn/code_head.hpp: the decoder's last rows -> image.
constexpr double head_products(const Config& c) {
  if (!c.has_pixel_decoder()) {
    return static_cast<double>(c.patches() * c.decoder.dim * c.patch_values()) +
           convolution_products(c.image.height * c.image.width, c.channels, c.channels);
  }
  const PixelDecoderConfig& p = c.pixel_decoder;
  const Index D = c.decoder.dim;
  return static_cast<double>(c.patches() * (2 * D * D + 2 * D * p.codebook_size + p.codebook_size * p.z_channels)) +
         pixel_decoder_products(p, c.patches(), c.channels);
}

}  // namespace detail

/// Image -> tokens.
constexpr double encode_flops(const Config& c) {
  const double products = static_cast<double>(c.patches() * c.patch_values() * c.encoder.dim) +
                          detail::transformer_products(c.encoder, c.sequence(), c.tokens()) +
                          static_cast<double>(c.tokens() * c.encoder.dim * c.latent_dim()) +
                          static_cast<double>(c.tokens() * c.code_dim) * static_cast<double>(c.codebook_size);
  return 2 * products;
}

/// Tokens, and the text where the decoder sees one -> image.
constexpr double decode_flops(const Config& c) {
  const double products = static_cast<double>(c.tokens() * c.code_dim * c.decoder.dim) +
                          static_cast<double>(c.text_values() * c.decoder.dim) +
                          detail::transformer_products(c.decoder, c.decoder_sequence(), c.patches()) +
                          detail::head_products(c);
  return 2 * products;
}

}  // namespace tessera
