// expect: Tokenizer::decode: this model's tokens are continuous; give a View<const float>, not ids.
#include "good_config.hpp"

#include <tessera/tokenizer.hpp>

void wrong(tessera::Tokenizer<continuous>& tokenizer) {
  tokenizer.decode(tessera::View<const tessera::Token>(), tessera::View<float>());
}
