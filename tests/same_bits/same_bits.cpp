// Prints one hash a model and quantity: token ids, margins, latents, decoded images. CMakeLists.txt builds this file
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

struct Hashes {
  std::uint64_t ids, margins, latents, decoded;
  bool operator==(const Hashes&) const = default;
};

template <class Model>
Hashes run(Model& tokenizer, const std::vector<float>& input) {
  constexpr float poison = std::numeric_limits<float>::quiet_NaN();
  std::vector<Token> ids(images * Model::tokens, -1);
  std::vector<float> margins(ids.size(), poison);
  std::vector<float> latents(images * Model::latent_values, poison);
  std::vector<float> decoded(input.size(), poison);
  tokenizer.encode(input, ids, margins);
  tokenizer.latents(input, latents);
  tokenizer.decode(ids, decoded);
  return {hash(ids), hash(margins), hash(latents), hash(decoded)};
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

}  // namespace

int main() {
  const bool same = check<presets::odd_latent>("odd_latent") && check<presets::tiny_patch>("tiny_patch") &&
                    check<several_tiles>("several_tiles");
  return same ? 0 : 1;
}
