// Do two runs give the same bits? titok_b64 in bf16: encoding some images, and five training steps.
#include <algorithm>
#include <bit>

#include <tessera/backend/thrust/cuda.hpp>
#include <tessera/presets.hpp>
#include <tessera/trainer.hpp>

#include <gpu/rows.hpp>
#include <gpu/values.hpp>

namespace {

using namespace tessera;
using namespace tessera::benchmarks;
constexpr Config config = presets::titok_b64;

/// Latents of all tokens, and the ids' margins, which say more than ids.
std::vector<float> encode(View<const float> weights, View<const float> images) {
  Tokenizer<config, cuda_bf16> model(weights, 16);
  const std::size_t tokens = images.size() / config.image_values() * config.tokens();
  std::vector<float> latents(tokens * config.code_dim), margins(tokens);
  std::vector<Token> ids(tokens);
  for (int i = 0; i < 3; ++i) model.encode(images, ids, margins);  // plain, recorded, replayed
  model.latents(images, latents);
  latents.insert(latents.end(), margins.begin(), margins.end());
  return latents;
}

/// The weights after five steps.
std::vector<float> train(View<const float> images) {
  TrainOptions options;
  options.batch_size = static_cast<Index>(images.size()) / config.image_values();
  options.schedule = {.peak = 1e-4, .warmup = 0, .steps = 5};
  Trainer<config, cuda_bf16> trainer(options);
  for (int i = 0; i < 5; ++i) trainer.step(images);
  const AlignedBuffer<float> weights = trainer.weights();
  return {weights.view().begin(), weights.view().end()};
}

template <class F>
void run_twice(const char* what, F&& f) {
  const std::string name = text("titok_b64 %s, bf16, run twice", what);
  attempt(name, [&] {
    const std::vector<float> first = f(), second = f();
    require(std::ranges::all_of(first, [](float x) { return x - x == 0.0F; }), "not a number");
    const auto bits = [](float x) { return std::bit_cast<std::uint32_t>(x); };
    require(std::ranges::equal(first, second, {}, bits, bits), "other bits");
    print_row(name, 0, "the same bits", "the same bits", "yes");
  });
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, [](Index divisor) {
    const std::vector<float> weights = random_weights<config>(1), many = pictures<config>(divided(64, divisor), 1);
    run_twice("encode", [&] { return encode(weights, many); });
    const std::vector<float> few = pictures<config>(divided(4, divisor), 2);
    run_twice("five training steps", [&] { return train(few); });
  });
}
