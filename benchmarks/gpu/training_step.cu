// How long does a training step of titok_b64 take in bf16? All of it: encoder, quantizer, decoder, AdamW.
#include <tessera/flops.hpp>
#include <tessera/presets.hpp>
#include <tessera/trainer.hpp>

#include <gpu/products.hpp>

namespace {

using namespace tessera;
using namespace tessera::benchmarks;
constexpr Config config = presets::titok_b64;

void run(Index batch) {
  TrainOptions options;
  options.batch_size = batch;
  options.schedule = {.peak = 1e-4, .warmup = 0, .steps = 1000};
  Trainer<config, cuda_bf16> trainer(options);
  const std::vector<float> images = pictures<config>(batch, 1);
  const double first = trainer.step(images).reconstruction_loss;
  double last = first;
  for (int i = 0; i < 20; ++i) last = trainer.step(images).reconstruction_loss;
  require(last < first, text("the reconstruction's loss goes from %g to %g", first, last));
  const double seconds = wall_seconds([&] { trainer.step(images); });
  // Backward computes two products for each of forward's.
  const double flops = 3 * static_cast<double>(batch) * (encode_flops(config) + decode_flops(config));
  const Share share{flops / seconds, product_rate<cuda_bf16>(), "bf16"};
  print_row("titok_b64 training step, bf16, " + images_text(batch), seconds,
            text("%.0f images/s, ", static_cast<double>(batch) / seconds) + share.found(), "1.3 x torch.compile");
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, [](Index divisor) { run(divided(16, divisor)); });
}
