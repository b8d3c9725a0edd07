// Floating-point operations of one image, a multiplication and an addition counting as two: the matrix products,
// attention, nearest code and convolution, over the rows that are computed (nn/transformer_block.hpp).
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

}  // namespace detail

/// Image -> ids.
constexpr double encode_flops(const Config& c) {
  const double products = static_cast<double>(c.patches() * c.patch_values() * c.encoder.dim) +
                          detail::transformer_products(c.encoder, c.sequence(), c.tokens()) +
                          static_cast<double>(c.tokens() * c.encoder.dim * c.code_dim) +
                          static_cast<double>(c.tokens() * c.code_dim) * static_cast<double>(c.codebook_size);
  return 2 * products;
}

/// Ids -> image.
constexpr double decode_flops(const Config& c) {
  const double products = static_cast<double>(c.tokens() * c.code_dim * c.decoder.dim) +
                          detail::transformer_products(c.decoder, c.sequence(), c.patches()) +
                          static_cast<double>(c.patches() * c.decoder.dim * c.patch_values()) +
                          static_cast<double>(9 * c.channels * c.image_values());
  return 2 * products;
}

}  // namespace tessera
