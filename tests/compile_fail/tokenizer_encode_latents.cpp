// expect: Tokenizer::encode: this model's tokens are ids; give a View<Token>, or call latents().
#include "good_config.hpp"

#include <tessera/tokenizer.hpp>

void wrong(tessera::Tokenizer<good>& tokenizer) {
  tokenizer.encode(tessera::View<const float>(), tessera::View<float>());
}
