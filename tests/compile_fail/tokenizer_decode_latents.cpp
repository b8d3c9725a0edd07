// expect: Tokenizer::decode: this model's tokens are ids; give a View<const Token>, not latents.
#include "good_config.hpp"

#include <tessera/tokenizer.hpp>

void wrong(tessera::Tokenizer<good>& tokenizer) {
  tokenizer.decode(tessera::View<const float>(), tessera::View<float>());
}
