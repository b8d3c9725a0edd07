// The kernels of a published model and of the legacy decoder, forward and backward: without a GPU, whether they compile
// and link.
#include <tessera/backend/thrust/cuda.hpp>

#include <cstdio>
#include <vector>

#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>
#include <tessera/trainer.hpp>

namespace {

template <tessera::Config config>
void run() {
  auto tokenizer = tessera::Tokenizer<config, tessera::cuda>::random(1, 1);
  std::vector<float> images(static_cast<std::size_t>(tokenizer.image_values), 0.5F);
  std::vector<tessera::Token> ids(static_cast<std::size_t>(tokenizer.tokens));
  std::vector<float> margins(ids.size());
  tokenizer.encode(images, ids, margins);
  tokenizer.decode(ids, images);
  tessera::TrainOptions options;
  options.batch_size = 1;
  tessera::Trainer<config, tessera::cuda> trainer(options);
  std::printf("loss %g\n", trainer.step(images).loss);
}

}  // namespace

int main() {
  try {
    run<tessera::presets::titok_b64>();
    run<tessera::presets::tiny_titok_legacy>();
  } catch (const tessera::Error& error) {
    std::puts(error.what());
    return 1;
  }
  return 0;
}
