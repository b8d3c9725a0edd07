// What the backends' files have in common.
#pragma once

#include <tessera/tokenizer.hpp>

#include <gpu/agreement/encoded.hpp>

namespace tessera::benchmarks {

template <class B>
Encoded encode_with(View<const float> weights, View<const float> images) {
  using Model = Tokenizer<agreement_config, B>;
  Model model(weights, 16);
  const std::size_t tokens = images.size() / Model::image_values * Model::tokens;
  Encoded encoded{std::vector<Token>(tokens), std::vector<float>(tokens),
                  std::vector<float>(tokens * agreement_config.code_dim)};
  model.encode(images, encoded.ids, encoded.margins);
  model.latents(images, encoded.latents);
  return encoded;
}

}  // namespace tessera::benchmarks
