// After construction, encode and decode take no memory from the heap. A program of its own: it replaces operator new.
#include <doctest/doctest.h>

#include <cstdlib>
#include <limits>
#include <new>
#include <vector>

#include <backend/tested.hpp>

#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>

namespace {

long allocations = 0;

// Not inlined: g++ would see malloc behind new, and warn that delete does not match it.
[[gnu::noinline]] void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  if (void* p = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void release(void* p) {
  std::free(p);
}

}  // namespace

void* operator new(std::size_t size) {
  return counted(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* p) noexcept {
  release(p);
}
void operator delete(void* p, std::size_t) noexcept {
  release(p);
}
void operator delete(void* p, std::align_val_t) noexcept {
  release(p);
}
void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
  release(p);
}

namespace {

using namespace tessera;
using testing::Tested;
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_images(Index values, std::uint64_t seed) {
  std::vector<float> images(static_cast<std::size_t>(values));
  Random random(seed);
  for (float& x : images) x = static_cast<float>(random.normal());
  return images;
}

TEST_CASE_TEMPLATE("encode and decode allocate nothing", T, Tokenizer<presets::tiny_patch, Tested>,
                   Tokenizer<presets::odd_latent, Tested>, Tokenizer<presets::tiny_titok_cosine, Tested>,
                   Tokenizer<presets::tiny_titok_legacy, Tested>) {
  constexpr Index count = 5;
  T tokenizer = T::random(1, 2);
  const std::vector<float> images = random_images(count * T::image_values, 2);
  std::vector<Token> ids(static_cast<std::size_t>(count * T::tokens), -1);
  std::vector<float> margins(ids.size(), nan), latents(static_cast<std::size_t>(count * T::latent_values), nan),
      decoded(images.size(), nan);

  const long before = allocations;
  tokenizer.encode(images, ids, margins);
  tokenizer.latents(images, latents);
  tokenizer.decode(ids, decoded);
  CHECK(allocations == before);

  for (const Token id : ids) REQUIRE((id >= 0 && id < T::configuration.codebook_size));
  for (const float x : margins) REQUIRE(x >= 0.0F);
  for (const float x : latents) REQUIRE(x == x);
  for (const float x : decoded) REQUIRE(x == x);
}

TEST_CASE("encode and decode of continuous tokens and of texts allocate nothing") {
  using T = Tokenizer<presets::tiny_tatitok_vae, Tested>;
  constexpr Index count = 5;
  T tokenizer = T::random(1, 2);
  const std::vector<float> images = random_images(count * T::image_values, 2);
  const std::vector<float> text = random_images(count * T::text_values, 3);
  std::vector<float> parameters(static_cast<std::size_t>(count * T::posterior_values), nan),
      latents(static_cast<std::size_t>(count * T::latent_values), nan), decoded(images.size(), nan);
  const std::vector<float> noise(latents.size(), 0.5F);

  const long before = allocations;
  tokenizer.posterior(images, parameters);
  tokenizer.encode(images, latents);
  tokenizer.encode(images, latents, noise);
  tokenizer.decode(latents, decoded, text);
  CHECK(allocations == before);

  for (const float x : parameters) REQUIRE(x == x);
  for (const float x : latents) REQUIRE(x == x);
  for (const float x : decoded) REQUIRE(x == x);
}

}  // namespace
