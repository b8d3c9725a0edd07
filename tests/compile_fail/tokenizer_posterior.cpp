// expect: Tokenizer::posterior: this model's tokens are ids; call latents().
#include "good_config.hpp"

#include <tessera/tokenizer.hpp>

void wrong(tessera::Tokenizer<good>& tokenizer) {
  tokenizer.posterior({}, {});
}
