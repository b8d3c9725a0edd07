// The core alone: tokens of an array.
#include <tessera/tokenizer.hpp>

constexpr tessera::Config config{.image = {16, 16},
                                 .patch_size = 8,
                                 .encoder = {.dim = 32, .depth = 1, .heads = 2},
                                 .decoder = {.dim = 32, .depth = 1, .heads = 2},
                                 .codebook_size = 16,
                                 .code_dim = 8};

int main() {
  auto tokenizer = tessera::Tokenizer<config>::random(1);
  const xt::xtensor<float, 3> image = xt::zeros<float>({3, 16, 16});
  for (const tessera::Token token : tokenizer.encode(image)) {
    if (token < 0 || token >= config.codebook_size) return 1;
  }
  return 0;
}
