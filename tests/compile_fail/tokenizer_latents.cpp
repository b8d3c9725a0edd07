// expect: Tokenizer::latents: this model's tokens are continuous; call encode().
#include "good_config.hpp"

#include <tessera/tokenizer.hpp>

void wrong(tessera::Tokenizer<continuous>& tokenizer) {
  tokenizer.latents({}, {});
}
