// Trains a small tokenizer on one's own array, here 64 pictures of slanted edges, and saves it: train_on_array MODEL
#include <cmath>
#include <cstdio>
#include <exception>

#include <tessera/tokenizer.hpp>
#include <tessera/trainer.hpp>

constexpr tessera::Config edges{.image = {16, 16},
                                .channels = 1,
                                .patch_size = 4,
                                .encoder = {.dim = 32, .depth = 2, .heads = 2},
                                .decoder = {.dim = 32, .depth = 2, .heads = 2},
                                .codebook_size = 64,
                                .code_dim = 4};

xt::xtensor<float, 4> slanted_edges() {
  xt::xtensor<float, 4> images({64, 1, 16, 16});
  for (std::size_t i = 0; i < 64; ++i) {
    const float angle = 0.1F * static_cast<float>(i);
    for (std::size_t y = 0; y < 16; ++y) {
      for (std::size_t x = 0; x < 16; ++x) {
        const float side = (float(y) - 7.5F) * std::cos(angle) + (float(x) - 7.5F) * std::sin(angle);
        images(i, 0, y, x) = 1.0F / (1.0F + std::exp(-side));
      }
    }
  }
  return images;
}

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: train_on_array MODEL.safetensors\n"), 2;
  try {
    const xt::xtensor<float, 4> images = slanted_edges();
    tessera::TrainOptions options{.batch_size = 64, .schedule = {.peak = 3e-3, .warmup = 20, .steps = 300}};
    // Latents first learn without a codebook, which then starts from them.
    options.codebook = {.start = tessera::CodebookStart::kmeans, .unquantized_steps = 50, .revive_every = 50};
    tessera::Trainer<edges> trainer(options);
    for (tessera::Index step = 1; step <= options.schedule.steps; ++step) {
      const tessera::StepReport report = trainer.step({images.data(), images.size()});
      if (step % 50 == 0) std::printf("step %td: mean squared error %.5f\n", step, report.reconstruction_loss);
    }
    trainer.save_weights(argv[1]);
    auto tokenizer = tessera::Tokenizer<edges>::load(argv[1]);
    const xt::xtensor<tessera::Token, 2> tokens = tokenizer.encode(images);
    std::printf("%zu pictures, %zu tokens each\n", tokens.shape()[0], tokens.shape()[1]);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "train_on_array: %s\n", error.what()), 1;
  }
}
