// expect: Tokenizer::encode takes floating-point numbers in the model's range
#include "good_config.hpp"

#include <tessera/tokenizer.hpp>

void wrong(tessera::Tokenizer<good>& tokenizer, const xt::xtensor<std::uint8_t, 3>& pixels) {
  tokenizer.encode(pixels);
}
