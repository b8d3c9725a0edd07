// The tokenizer's interface: its memory, its shapes, its files.
#include <doctest/doctest.h>

#include <filesystem>
#include <limits>
#include <vector>

#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>

namespace {

using namespace tessera;
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

template <class T>
std::vector<float> random_images(Index count, std::uint64_t seed) {
  std::vector<float> images(static_cast<std::size_t>(count * T::image_values));
  Random random(seed);
  for (float& x : images) x = static_cast<float>(random.normal());
  return images;
}

/// A backend that remembers how much work memory was asked for.
struct CountingMemory : cpu {
  static inline std::size_t bytes = 0;
  template <class T>
  struct Buffer : AlignedBuffer<T> {
    Buffer() = default;
    explicit Buffer(Index size) : AlignedBuffer<T>(size) { bytes += static_cast<std::size_t>(size) * sizeof(T); }
  };
};

TEST_CASE("workspace_bytes is what a tokenizer uses beside its weights") {
  using Small = Tokenizer<presets::tiny_latent, CountingMemory>;
  const auto used = [](Index batch) {
    CountingMemory::bytes = 0;
    (void)Small::random(1, batch);
    return CountingMemory::bytes;
  };
  // The weights do not depend on the batch, so they cancel.
  CHECK(used(7) - used(1) == Small::workspace_bytes(7) - Small::workspace_bytes(1));
  static_assert(Small::workspace_bytes(7) > Small::workspace_bytes(1));
}

TEST_CASE("an image alone gives the bits that it gives inside any batch") {
  using T = Tokenizer<presets::odd_latent>;
  constexpr Index count = 7;
  const std::vector<float> images = random_images<T>(count, 3);
  T one = T::random(4, 1), three = T::random(4, 3), all = T::random(4, count);
  std::vector<float> a(static_cast<std::size_t>(count * T::latent_values), nan), b(a.size(), nan), c(a.size(), nan);
  one.latents(images, a);
  three.latents(images, b);
  all.latents(images, c);
  CHECK(a == b);
  CHECK(a == c);
}

TEST_CASE("xtensor expressions go in and tensors come out") {
  using T = Tokenizer<presets::tiny_patch>;
  T tokenizer = T::random(5);
  const std::vector<float> values = random_images<T>(3, 6);
  const std::array<std::size_t, 4> dims{3, 3, 32, 32};
  const auto batch = xt::adapt(values, dims);
  const xt::xtensor<Token, 2> ids = tokenizer.encode(batch);
  REQUIRE(ids.shape()[0] == 3);
  REQUIRE(ids.shape()[1] == 16);

  const Image second(xt::view(batch, 1));
  const T::Tokens alone = tokenizer.encode(second);
  CHECK(std::equal(alone.begin(), alone.end(), ids.data() + 16));
  CHECK(tokenizer.encode(second * 1.0F) == alone);

  const xt::xtensor<float, 4> images = tokenizer.decode(ids);
  const Image image = tokenizer.decode(alone);
  CHECK(std::equal(image.begin(), image.end(), images.data() + image.size()));
}

TEST_CASE("wrong shapes and ids are refused") {
  using T = Tokenizer<presets::tiny_patch>;
  T tokenizer = T::random(5);
  const xt::xtensor<float, 3> narrow(std::array<std::size_t, 3>{3, 32, 31});
  CHECK_THROWS_WITH_AS(tokenizer.encode(narrow),
                       "Tokenizer::encode: found an image of shape [3, 32, 31], expected [3, 32, 32] (channels, "
                       "height, width)",
                       Error);
  T::Tokens ids{};
  ids[3] = 48;
  CHECK_THROWS_WITH_AS(tokenizer.decode(ids), "Tokenizer::decode: found token 48, expected ids from 0 to 47", Error);
}

TEST_CASE("a saved model loads without being told its Config, and refuses another") {
  const std::filesystem::path path = std::filesystem::temp_directory_path() / "tessera_test_tokenizer.safetensors";
  using T = Tokenizer<presets::tiny_latent>;
  T saved = T::random(8);
  saved.save(path);
  CHECK(stated_config(WeightFile(path)).config == presets::tiny_latent);

  T loaded = T::load(path);
  const std::vector<float> images = random_images<T>(1, 9);
  std::vector<float> a(static_cast<std::size_t>(T::latent_values), nan), b(a.size(), nan);
  saved.latents(images, a);
  loaded.latents(images, b);
  CHECK(a == b);

  CHECK_THROWS_AS(Tokenizer<presets::tiny_patch>::load(path), Error);
  std::filesystem::remove(path);
}

}  // namespace
