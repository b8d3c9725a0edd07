// How fast does titok_b64 encode in bf16? Host to host: images from the host's memory, tokens back to it.
#include <set>

#include <tessera/flops.hpp>
#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>

#include <gpu/products.hpp>

namespace {

using namespace tessera;
using namespace tessera::benchmarks;
constexpr Config config = presets::titok_b64;
using Model = Tokenizer<config, cuda_bf16>;

/// Passes of one call: copies go on beside the kernels, but for those of the first and the last pass.
constexpr Index passes = 12;

/// Whether there is something to encode, and it was encoded.
void check(View<const Token> ids) {
  for (const Token id : ids) require(id >= 0 && id < config.codebook_size, text("token %d", id));
  const std::set<Token> different(ids.begin(), ids.end());
  require(different.size() > 200, text("%zu different tokens alone", different.size()));
}

void run_many(View<const float> weights, Index batch) {
  Model model(weights, batch);
  const std::vector<float> images = pictures<config>(passes * batch, 1);
  std::vector<Token> ids(static_cast<std::size_t>(passes * batch * Model::tokens), -1);
  model.encode(images, ids);
  check(ids);
  const double seconds = wall_seconds([&] { model.encode(images, ids); }) / passes;
  const double flops = static_cast<double>(batch) * encode_flops(config);
  print_share("titok_b64 encode, bf16, " + images_text(batch), seconds,
              {flops / seconds, product_rate<cuda_bf16>(), "bf16"}, 55,
              text("%.0f images/s, ", static_cast<double>(batch) / seconds));
}

void run_one(View<const float> weights) {
  Model model(weights, 1);
  const std::vector<float> image = pictures<config>(1, 2);
  std::vector<Token> ids(static_cast<std::size_t>(Model::tokens), -1);
  for (int i = 0; i < 2; ++i) model.encode(image, ids);  // the second time is recorded
  const std::vector<Token> first = ids;
  model.encode(image, ids);
  require(ids == first, "a replayed pass has other tokens");
  const double seconds = wall_seconds([&] { model.encode(image, ids); });
  print_row("titok_b64 encode, bf16, " + images_text(1), seconds, text("%.0f images/s", 1 / seconds), "2.5 ms",
            yes_or_no(seconds < 2.5e-3));
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, [](Index divisor) {
    const std::vector<float> weights = random_weights<config>(1);
    attempt("titok_b64 encode, bf16, " + images_text(1), [&] { run_one(weights); });
    const Index batch = divided(256, divisor);
    attempt("titok_b64 encode, bf16, " + images_text(batch), [&] { run_many(weights, batch); });
  });
}
