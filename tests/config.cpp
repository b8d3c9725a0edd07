// Sizes that follow from a Config.
#include <doctest/doctest.h>

#include <tessera/config.hpp>
#include <tessera/flops.hpp>
#include <tessera/model.hpp>
#include <tessera/presets.hpp>

namespace {

using namespace tessera;

TEST_CASE("the reference description's model: 16 tokens of 13 bits, 7562 to 1") {
  constexpr Config c = presets::patch_256;
  static_assert(c.tokens() == 16 && c.bits_per_token() == 13 && c.bits_per_image() == 208);
  CHECK(c.compression_ratio() == doctest::Approx(256.0 * 256 * 3 * 8 / 208).epsilon(1e-12));
  CHECK(static_cast<Index>(c.compression_ratio()) == 7561);
}

TEST_CASE("bits of a token are those of the largest id") {
  Config c = presets::tiny_patch;
  for (const auto& [codes, bits] :
       {std::pair<Index, Index>{1, 0}, {2, 1}, {3, 2}, {256, 8}, {257, 9}, {Index{1} << 31, 31}}) {
    c.codebook_size = codes;
    CHECK(c.bits_per_token() == bits);
  }
}

TEST_CASE("parameters and their buffer") {
  using Table = ParameterTable<presets::tiny_patch>;
  Index values = 0;
  for (const Parameter& p : Table::parameters()) values += p.dims.count();
  CHECK(values == Table::values);
  // (410472 bytes of tests/golden/tiny_patch/model.safetensors less its header) / 4
  CHECK(Table::values == 403264 / 4);
  CHECK(Table::size >= Table::values);
}

TEST_CASE("parameters of the published checkpoints") {
  // Counted by hand, layer by layer of the published code: encoder, decoder, tokens, codes, pixel decoder.
  CHECK(ParameterTable<presets::titok_l32>::values == 641054735);
}

TEST_CASE("operations of one block by hand") {
  // 1 patch, 1 block, width 2, no hidden expansion: q, k, v, out, c_fc, c_proj are 2 x 2 each, attention is 2 x 2.
  constexpr Config c{.image = {1, 1},
                     .channels = 1,
                     .patch_size = 1,
                     .encoder = {.dim = 2, .depth = 1, .heads = 1, .mlp_ratio = 1},
                     .decoder = {.dim = 2, .depth = 1, .heads = 1, .mlp_ratio = 1},
                     .codebook_size = 5,
                     .code_dim = 3};
  CHECK(encode_flops(c) == 2 * (1 * 2 + (6 * 4 + 2 * 2) + 2 * 3 + 3 * 5));
  CHECK(decode_flops(c) == 2 * (3 * 2 + (6 * 4 + 2 * 2) + 2 * 1 + 9));
}

TEST_CASE("operations of a decoder with a text and of a pixel decoder by hand") {
  // As above, with a latent token and three embeddings of a text: five rows, of which the last block keeps one.
  constexpr Config c{.image = {1, 1},
                     .channels = 1,
                     .patch_size = 1,
                     .encoder = {.dim = 2, .depth = 1, .heads = 1, .mlp_ratio = 1},
                     .decoder = {.dim = 2, .depth = 1, .heads = 1, .mlp_ratio = 1},
                     .latent_tokens = 1,
                     .code_dim = 3,
                     .quantize_mode = QuantizeMode::vae,
                     .text = {.length = 3, .width = 7}};
  CHECK(encode_flops(c) == 2 * (1 * 2 + (2 * 8 + 2 * 2 * 2 + 16) + 2 * 6));
  CHECK(decode_flops(c) == 2 * (3 * 2 + 3 * 7 * 2 + (5 * 8 + 2 * 5 * 2 + 16) + 2 * 1 + 9));

  // A 1 x 1 map of 4 channels through a level of 64 channels and, at 2 x 2, one of 32.
  constexpr PixelDecoderConfig p{
      .hidden_channels = 32, .channel_mult = {1, 2}, .res_blocks = 2, .z_channels = 4, .codebook_size = 6};
  constexpr Index coarse = 4 * 64 + 4 * 64 * 64 + 4 * 64 * 64;      // conv_in, mid, up.1.block
  constexpr Index fine = 64 * 64 + 64 * 32 + 3 * 32 * 32 + 32 * 3;  // upsample_conv, up.0.block, conv_out
  CHECK(detail::pixel_decoder_products(p, 1, 3) == 9 * (coarse + 4 * fine) + 4 * 32 * 32);  // and the shortcut
}

TEST_CASE("continuous tokens are float32 numbers") {
  constexpr Config c = presets::titok_ll32_vae_c16;
  static_assert(c.latent_dim() == 32 && c.bits_per_token() == 512 && c.bits_per_image() == 32 * 512);
  CHECK(c.compression_ratio() == doctest::Approx(256.0 * 256 * 3 * 8 / 16384).epsilon(1e-12));
}

TEST_CASE("levels of a pixel decoder end at the first 0") {
  constexpr PixelDecoderConfig published = presets::titok_l32.pixel_decoder;
  static_assert(published.levels() == 5 && published.channels(0) == 128 && published.channels(4) == 512);
  CHECK(PixelDecoderConfig{}.levels() == 0);
  CHECK(PixelDecoderConfig{.channel_mult = {1, 1, 1, 1, 1, 1, 1, 1}}.levels() == PixelDecoderConfig::most_levels);
  CHECK(PixelDecoderConfig{.channel_mult = {1, 2}}.has_whole_levels());
  CHECK_FALSE(PixelDecoderConfig{.channel_mult = {1, 0, 2}}.has_whole_levels());
  CHECK_FALSE(PixelDecoderConfig{.channel_mult = {1, -2}}.has_whole_levels());
}

}  // namespace
