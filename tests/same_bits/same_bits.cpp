// Prints one hash a model and quantity: token ids, margins, latents, decoded images; and one for each result of the
// operations that no model here uses. CMakeLists.txt builds this file
// for several instruction sets and compilers, and every build must print the same. Within one build, every batch and
// number of threads must give the same bits: exit code 1 otherwise.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <thread>
#include <vector>

#include <tessera/core/random.hpp>
#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>

namespace {

using namespace tessera;

// 145 + 32 rows: more than one block of keys, rows and panels that no tile divides, heads of width 64.
constexpr Config several_tiles{.image = {96, 96},
                               .patch_size = 8,
                               .encoder = {.dim = 128, .depth = 2, .heads = 2},
                               .decoder = {.dim = 128, .depth = 2, .heads = 2},
                               .latent_tokens = 32,
                               .class_token = true,
                               .codebook_size = 600,
                               .code_dim = 12,
                               .metric = Metric::cosine};

constexpr Index images = 3;

/// Uniform in [-bound, bound): no libm, so that every machine starts from the same weights.
std::vector<float> uniform(Index size, float bound, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& value : values) value = bound * static_cast<float>(2.0 * random.uniform() - 1.0);
  return values;
}

/// FNV-1a over 32-bit words.
template <class T>
std::uint64_t hash(const std::vector<T>& values) {
  static_assert(sizeof(T) == 4);
  std::uint64_t result = 0xcbf29ce484222325;
  for (const T value : values) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, 4);
    result = (result ^ bits) * 0x100000001b3;
  }
  return result;
}

template <int count>
void on_threads(Index tasks, void (*task)(void*, Index), void* context) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < count; ++t) {
    threads.emplace_back([=] {
      for (Index i = t; i < tasks; i += count) task(context, i);
    });
  }
}

/// Where tokens are continuous, `ids` are draws and there are no margins.
struct Hashes {
  std::uint64_t ids, margins, latents, decoded;
  bool operator==(const Hashes&) const = default;
};

template <class Model>
Hashes run(Model& tokenizer, const std::vector<float>& input) {
  constexpr float poison = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> text = uniform(images * Model::text_values, 1.0F, 3);
  std::vector<float> latents(images * Model::latent_values, poison);
  std::vector<float> decoded(input.size(), poison);
  if constexpr (Model::configuration.has_codes()) {
    std::vector<Token> ids(images * Model::tokens, -1);
    std::vector<float> margins(ids.size(), poison);
    tokenizer.encode(input, ids, margins);
    tokenizer.latents(input, latents);
    tokenizer.decode(ids, decoded, text);
    return {hash(ids), hash(margins), hash(latents), hash(decoded)};
  } else {
    const std::vector<float> noise = uniform(images * Model::latent_values, 2.0F, 4);
    std::vector<float> draws(noise.size(), poison);
    tokenizer.encode(input, draws, noise);
    tokenizer.encode(input, latents);
    tokenizer.decode(draws, decoded, text);
    return {hash(draws), 0, hash(latents), hash(decoded)};
  }
}

template <Config config>
bool check(const char* name) {
  using Model = Tokenizer<config>;
  const std::vector<float> parameters = uniform(ParameterTable<config>::size, 0.3F, 1);
  const std::vector<float> input = uniform(images * Model::image_values, 1.0F, 2);
  set_parallel_for(on_threads<1>);
  Model single(parameters, 1);
  Model batched(parameters, images);
  const Hashes expected = run(single, input);
  for (const ParallelFor threads : {on_threads<1>, on_threads<2>, on_threads<3>}) {
    set_parallel_for(threads, 3);
    if (run(single, input) == expected && run(batched, input) == expected) continue;
    std::fprintf(stderr, "%s: found bits that depend on the batch or the threads, expected none\n", name);
    return false;
  }
  const auto print = [name](const char* what, std::uint64_t value) {
    std::printf("%s %s %016llx\n", name, what, static_cast<unsigned long long>(value));
  };
  print("ids", expected.ids);
  print("margins", expected.margins);
  print("latents", expected.latents);
  print("decoded", expected.decoded);
  return true;
}

void print(const char* operation, const char* what, const std::vector<float>& values) {
  std::printf("%s %s %016llx\n", operation, what, static_cast<unsigned long long>(hash(values)));
}

std::vector<float> poisoned(Index size) {
  return std::vector<float>(static_cast<std::size_t>(size), std::numeric_limits<float>::quiet_NaN());
}

/// Maps with a rest in every tile, panel and vector, and a window deeper than one block.
void print_convolution() {
  constexpr auto size = shape<9, 19, 150, 70>;
  const std::vector<float> x = uniform(images * 9 * 19 * 150, 1.0F, 1);
  const std::vector<float> dy = uniform(images * 9 * 19 * 70, 1.0F, 2);
  const std::vector<float> weight = uniform(70 * 150 * 9, 1.0F, 3);
  const std::vector<float> bias = uniform(70, 1.0F, 4);
  std::vector<float> packed = poisoned(cpu::packed_convolution_size(shape<150, 70>));
  std::vector<float> scratch = poisoned(cpu::convolution_backward_scratch(size, images));
  std::vector<float> y = poisoned(images * 9 * 19 * 70);
  std::vector<float> dx = poisoned(images * 9 * 19 * 150);
  std::vector<float> dweight = weight;
  std::vector<float> dbias = bias;
  cpu::pack_convolution(shape<150, 70>, weight, packed);
  cpu::convolution(size, images, x, packed, bias, dy, y);
  cpu::pack_convolution_transposed(shape<150, 70>, weight, packed);
  cpu::convolution_backward_input(size, images, dy, packed, dx);
  cpu::convolution_backward_weight(size, images, x, dy, scratch, dweight, dbias);
  print("convolution", "y", y);
  print("convolution", "dx", dx);
  print("convolution", "dweight", dweight);
  print("convolution", "dbias", dbias);
}

void print_group_norm() {
  constexpr auto size = shape<36, 4>;
  constexpr Index pixels = 1500;
  const std::vector<float> x = uniform(images * pixels * 36, 3.0F, 1);
  const std::vector<float> dy = uniform(images * pixels * 36, 1.0F, 2);
  const std::vector<float> weight = uniform(36, 2.0F, 3);
  const std::vector<float> bias = uniform(36, 2.0F, 4);
  std::vector<float> y = poisoned(images * pixels * 36);
  std::vector<float> mean = poisoned(images * 4);
  std::vector<float> rstd = poisoned(images * 4);
  std::vector<float> dx = dy;
  std::vector<float> dweight = weight;
  std::vector<float> dbias = bias;
  cpu::group_norm_silu(size, images, pixels, x, weight, bias, y, mean, rstd);
  cpu::group_norm_silu_backward(size, images, pixels, x, weight, bias, mean, rstd, dy, dx, dweight, dbias);
  print("group_norm_silu", "y", y);
  print("group_norm_silu", "rstd", rstd);
  print("group_norm_silu", "dx", dx);
  print("group_norm_silu", "dweight", dweight);
  print("group_norm_silu", "dbias", dbias);
}

void print_activations() {
  const std::vector<float> x = uniform(100 * 70, 10.0F, 1);
  const std::vector<float> dy = uniform(100 * 70, 1.0F, 2);
  std::vector<float> y = poisoned(100 * 70);
  std::vector<float> dx = poisoned(100 * 70);
  cpu::softmax(shape<70>, 100, x, y);
  cpu::softmax_backward(shape<70>, 100, y, dy, dx);
  print("softmax", "y", y);
  print("softmax", "dx", dx);
  cpu::tanh(x, y);
  cpu::tanh_backward(y, dy, dx);
  print("tanh", "y", y);
  print("tanh", "dx", dx);
}

void print_gaussian() {
  const std::vector<float> parameters = uniform(100 * 2 * 21, 40.0F, 1);
  const std::vector<float> noise = uniform(100 * 21, 2.0F, 2);
  std::vector<float> z = poisoned(100 * 21);
  std::vector<float> kl = poisoned(100);
  std::vector<float> dparameters = poisoned(100 * 2 * 21);
  cpu::gaussian_sample(shape<21>, 100, parameters, noise, z);
  cpu::gaussian_kl(shape<21>, 100, parameters, kl);
  cpu::gaussian_backward(shape<21>, 100, parameters, noise, z, 0.3, dparameters);
  print("gaussian", "z", z);
  print("gaussian", "kl", kl);
  print("gaussian", "dparameters", dparameters);
}

}  // namespace

int main() {
  print_convolution();
  print_group_norm();
  print_activations();
  print_gaussian();
  const bool same = check<presets::odd_latent>("odd_latent") && check<presets::tiny_patch>("tiny_patch") &&
                    check<several_tiles>("several_tiles") && check<presets::tiny_tatitok_vae>("tiny_tatitok_vae") &&
                    check<presets::tiny_titok_legacy>("tiny_titok_legacy");
  return same ? 0 : 1;
}
