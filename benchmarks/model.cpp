// Whole passes of a TiTok-B-64-sized model (256 x 256, patch 16, width 768, 12 layers, 12 heads, 64 latents) and of the
// demo model: encode, decode and a training step, as a share of the machine's peak of fused multiply-adds.
//   model [threads [part of a line's name]]
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>
#include <tessera/flops.hpp>
#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>
#include <tessera/trainer.hpp>
#include <vector>

#include "passes.hpp"

namespace {

using namespace tessera;
using namespace tessera::benchmarks;

constexpr Config titok_b64_sized{.image = {256, 256},
                                 .patch_size = 16,
                                 .encoder = {.dim = 768, .depth = 12, .heads = 12},
                                 .decoder = {.dim = 768, .depth = 12, .heads = 12},
                                 .latent_tokens = 64,
                                 .class_token = true,
                                 .codebook_size = 4096,
                                 .code_dim = 12,
                                 .metric = Metric::cosine};

template <Config config>
void run(const std::string& model, Index training_batch, int threads, const std::string& filter) {
  using Model = Tokenizer<config>;
  const auto wanted = [&](const std::string& name) { return name.find(filter) != std::string::npos; };
  const std::vector<float> image = random_images(Model::image_values);
  Model tokenizer = Model::random(1, 1);
  std::vector<Token> ids(static_cast<std::size_t>(Model::tokens));
  std::vector<float> decoded(image.size(), std::numeric_limits<float>::quiet_NaN());
  tokenizer.encode(image, ids);
  tokenizer.decode(ids, decoded);
  check_finite(model + " decode", decoded);
  if (wanted(model + " encode")) {
    time_pass(model + " encode", threads, 1, encode_flops(config), [&] { tokenizer.encode(image, ids); });
  }
  if (wanted(model + " decode")) {
    time_pass(model + " decode", threads, 1, decode_flops(config), [&] { tokenizer.decode(ids, decoded); });
  }
  if (!wanted(model + " training step")) return;
  TrainOptions options;
  options.batch_size = training_batch;
  Trainer<config> trainer(options);
  const std::vector<float> batch = random_images(training_batch * Model::image_values);
  // Backward computes two products for each of forward's.
  const double flops = 3.0 * static_cast<double>(training_batch) * (encode_flops(config) + decode_flops(config));
  time_pass(model + " training step, batch " + std::to_string(training_batch), threads, training_batch, flops,
            [&] { trainer.step(batch); });
  check_finite(model + " training step", trainer.weights().view());
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const std::string filter = argc > 2 ? argv[2] : "";
  print_pass_header();
  run<titok_b64_sized>("TiTok-B-64-sized", 4, threads, filter);
  run<presets::demo_128>("demo_128", 8, threads, filter);
}
