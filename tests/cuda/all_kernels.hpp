// What makes a program hold every kernel of a model.
#pragma once

#include <cstdio>
#include <vector>

#include <tessera/backend/thrust/cuda.hpp>
#include <tessera/tokenizer.hpp>
#include <tessera/trainer.hpp>

namespace tessera::testing {

template <Config config, Backend B>
void run_all_kernels() {
  auto tokenizer = Tokenizer<config, B>::random(1, 1);
  std::vector<float> images(static_cast<std::size_t>(tokenizer.image_values), 0.5F);
  std::vector<Token> ids(static_cast<std::size_t>(tokenizer.tokens));
  std::vector<float> margins(ids.size());
  tokenizer.encode(images, ids, margins);
  tokenizer.decode(ids, images);
  TrainOptions options;
  options.batch_size = 1;
  Trainer<config, B> trainer(options);
  std::printf("loss %g\n", trainer.step(images).loss);
}

}  // namespace tessera::testing
