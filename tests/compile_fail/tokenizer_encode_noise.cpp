// expect: Tokenizer::encode: this model's tokens are ids; no noise draws them.
#include "good_config.hpp"

#include <tessera/tokenizer.hpp>

void wrong(tessera::Tokenizer<good>& tokenizer) {
  tokenizer.encode(tessera::Image(), xt::xtensor<float, 2>());
}
