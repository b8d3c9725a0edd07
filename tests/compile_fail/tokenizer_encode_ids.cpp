// expect: Tokenizer::encode: this model's tokens are continuous; give a View<float> of [B, T, code_dim].
#include "good_config.hpp"

#include <tessera/tokenizer.hpp>

void wrong(tessera::Tokenizer<continuous>& tokenizer) {
  tokenizer.encode(tessera::View<const float>(), tessera::View<tessera::Token>());
}
