// expect: Tokenizer::decode takes integers where this model's tokens are ids, else floating-point numbers.
#include "good_config.hpp"

#include <tessera/tokenizer.hpp>

void wrong(tessera::Tokenizer<good>& tokenizer) {
  tokenizer.decode(xt::xtensor<float, 2>());
}
