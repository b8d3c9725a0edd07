// How fast does titok_b64 decode in bf16? Host to host; its decoder ends in a map of codes and a convolutional decoder
// of pixels.
#include <tessera/flops.hpp>
#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>

#include <gpu/products.hpp>

namespace {

using namespace tessera;
using namespace tessera::benchmarks;
constexpr Config config = presets::titok_b64;
using Model = Tokenizer<config, cuda_bf16>;

std::vector<Token> random_tokens(Index images) {
  std::vector<Token> ids(static_cast<std::size_t>(images * Model::tokens));
  Random random(1);
  for (Token& id : ids) id = static_cast<Token>(random.below(config.codebook_size));
  return ids;
}

/// Images that are numbers, and not all one colour.
void check(View<const float> images) {
  double sum = 0, squares = 0;
  for (const float x : images) {
    sum += static_cast<double>(x);
    squares += static_cast<double>(x) * static_cast<double>(x);
  }
  const double count = static_cast<double>(images.size()), mean = sum / count;
  require(squares / count - mean * mean > 1e-6, "decoded images");  // false for NaN, too
}

void run(View<const float> weights, Index batch, Index passes) {
  Model model(weights, batch);
  const std::vector<Token> ids = random_tokens(passes * batch);
  std::vector<float> images(static_cast<std::size_t>(passes * batch * Model::image_values));
  const auto decode = [&] { model.decode(View<const Token>(ids), images); };
  decode();
  check(images);
  const double seconds = wall_seconds(decode) / static_cast<double>(passes);
  const double flops = static_cast<double>(batch) * decode_flops(config);
  print_share("titok_b64 decode, bf16, " + images_text(batch), seconds,
              {flops / seconds, product_rate<cuda_bf16>(), "bf16"}, batch == 1 ? 0 : 55,
              text("%.0f images/s, ", static_cast<double>(batch) / seconds));
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, [](Index divisor) {
    const std::vector<float> weights = random_weights<config>(1);
    for (const Index batch : {Index{1}, divided(64, divisor)}) {
      attempt("titok_b64 decode, bf16, " + images_text(batch), [&] { run(weights, batch, batch == 1 ? 1 : 4); });
    }
  });
}
