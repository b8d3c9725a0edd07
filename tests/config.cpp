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

}  // namespace
