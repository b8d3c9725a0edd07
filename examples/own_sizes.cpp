// A tokenizer of one's own sizes: grey depth maps of 48 x 64 in six tokens. The compiler knows every size, so wrong
// ones (48 x 60, say) do not compile.
#include <cstdio>

#include <tessera/tessera.hpp>

constexpr tessera::Config depth_map{.image = {48, 64},
                                    .channels = 1,
                                    .patch_size = 16,
                                    .encoder = {.dim = 64, .depth = 2, .heads = 4},
                                    .decoder = {.dim = 64, .depth = 2, .heads = 4},
                                    .latent_tokens = 6,
                                    .codebook_size = 256,
                                    .code_dim = 8};

int main() {
  using DepthTokenizer = tessera::Tokenizer<depth_map>;
  std::printf("%td bits an image, %.0f : 1; %zu bytes of work memory\n", depth_map.bits_per_image(),
              depth_map.compression_ratio(), DepthTokenizer::workspace_bytes());

  auto tokenizer = DepthTokenizer::random(1);                     // untrained; train_on_array.cpp trains one
  const tessera::Image image = xt::ones<float>({1, 48, 64}) / 2;  // [channels, height, width] in [0, 1]
  const DepthTokenizer::Tokens tokens = tokenizer.encode(image);  // std::array of six ids
  const tessera::Image again = tokenizer.decode(tokens);
  for (const tessera::Token id : tokens) std::printf("%d ", id);
  std::printf("-> an image of %zu x %zu\n", again.shape()[1], again.shape()[2]);
}
