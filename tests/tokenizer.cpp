// The tokenizer's interface: its memory, its shapes, its files.
#include <doctest/doctest.h>

#include <algorithm>
#include <backend/tested.hpp>
#include <cmath>
#include <files.hpp>
#include <filesystem>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>

namespace {

using namespace tessera;
using testing::Tested;
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

std::vector<float> random_values(std::size_t size, std::uint64_t seed) {
  std::vector<float> values(size);
  Random random(seed);
  for (float& x : values) x = static_cast<float>(random.normal());
  return values;
}

template <class T>
std::vector<float> random_images(Index count, std::uint64_t seed) {
  return random_values(static_cast<std::size_t>(count * T::image_values), seed);
}

/// One image's values from two batches: the same bits, where the backend gives them.
bool agree(const auto& a, const auto& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return testing::rows_stand_alone ? x == y : std::fabs(x - y) <= 1e-4F * std::max(1.0F, std::fabs(y));
  });
}

/// A backend that remembers how much work memory was asked for.
struct CountingMemory : Tested {
  static inline std::size_t bytes = 0;
  template <class T>
  struct Buffer : Tested::Buffer<T> {
    Buffer() = default;
    explicit Buffer(Index size) : Tested::Buffer<T>(size) { bytes += static_cast<std::size_t>(size) * sizeof(T); }
  };
};

template <Config config>
void check_workspace() {
  using Small = Tokenizer<config, CountingMemory>;
  const auto used = [](Index batch) {
    CountingMemory::bytes = 0;
    (void)Small::random(1, batch);
    return CountingMemory::bytes;
  };
  // The weights do not depend on the batch, so they cancel.
  CHECK(used(7) - used(1) == Small::workspace_bytes(7) - Small::workspace_bytes(1));
  static_assert(Small::workspace_bytes(7) > Small::workspace_bytes(1));
}

template <class T>
constexpr double bytes = sizeof(float) * static_cast<double>(ParameterTable<T::configuration>::values);

TEST_CASE("weight_bytes: each weight once") {
  using Demo = Tokenizer<presets::demo_128, Tested>;
  using Legacy = Tokenizer<presets::titok_s128, Tested>;
  CHECK(static_cast<double>(Demo::weight_bytes()) < 1.05 * bytes<Demo>);
  CHECK(static_cast<double>(Legacy::weight_bytes()) < 1.05 * bytes<Legacy>);
  CHECK(static_cast<double>(Legacy::weight_bytes()) >= bytes<Legacy>);
}

TEST_CASE("workspace_bytes is what a tokenizer uses beside its weights") {
  check_workspace<presets::tiny_latent>();
  check_workspace<presets::tiny_tatitok_vae>();
  check_workspace<presets::tiny_titok_legacy>();
}

TEST_CASE("the pixel decoder's maps take turns in the memory of three") {
  constexpr std::size_t largest_map = std::size_t{256} * 256 * 128 * sizeof(float);
  constexpr std::size_t rest = std::size_t{20} << 20;  // the transformer's
  static_assert(Tokenizer<presets::titok_s128, Tested>::workspace_bytes(1) < 3 * largest_map + rest);
}

template <Config config>
void check_batches() {
  using T = Tokenizer<config, Tested>;
  constexpr Index count = 7;
  const std::vector<float> images = random_images<T>(count, 3);
  T one = T::random(4, 1), three = T::random(4, 3), all = T::random(4, count);
  std::vector<float> a(static_cast<std::size_t>(count * T::latent_values), nan), b(a.size(), nan), c(a.size(), nan);
  const auto encode = [&](T& tokenizer, std::vector<float>& latents) {
    if constexpr (config.has_codes()) {
      tokenizer.latents(images, latents);
    } else {
      tokenizer.encode(images, latents, random_values(latents.size(), 5));
    }
  };
  encode(one, a);
  encode(three, b);
  encode(all, c);
  CHECK(agree(a, b));
  CHECK(agree(a, c));
}

TEST_CASE("an image alone gives the bits that it gives inside any batch") {
  check_batches<presets::odd_latent>();
  check_batches<presets::tiny_titok_vae>();
  check_batches<presets::tiny_titok_legacy>();
}

TEST_CASE("xtensor expressions go in and tensors come out") {
  using T = Tokenizer<presets::tiny_patch, Tested>;
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
  CHECK(agree(image, Image(xt::view(images, 1))));
}

TEST_CASE("continuous tokens go through xtensor expressions, drawn with noise or not") {
  using T = Tokenizer<presets::tiny_titok_vae, Tested>;
  T tokenizer = T::random(5, 2);
  const std::vector<float> values = random_images<T>(3, 6);
  const auto batch = xt::adapt(values, std::array<std::size_t, 4>{3, 3, 32, 32});
  const xt::xtensor<float, 3> means = tokenizer.encode(batch);
  REQUIRE(means.shape() == std::array<std::size_t, 3>{3, 6, 12});
  const Image second(xt::view(batch, 1));
  const xt::xtensor<float, 2> alone = tokenizer.encode(second);
  CHECK(agree(alone, xt::xtensor<float, 2>(xt::view(means, 1))));

  xt::xtensor<float, 3> noise = xt::zeros_like(means);
  CHECK(tokenizer.encode(batch, noise) == means);
  noise(1, 2, 3) = 2.0F;
  const xt::xtensor<float, 3> drawn = tokenizer.encode(batch, noise);
  std::vector<float> parameters(static_cast<std::size_t>(3 * T::posterior_values), nan);
  tokenizer.posterior(values, parameters);
  const float log_variance = parameters[(6 + 2) * 24 + 12 + 3];
  CHECK(drawn(1, 2, 3) == doctest::Approx(means(1, 2, 3) + 2 * std::exp(log_variance / 2)).epsilon(1e-6));
  CHECK(drawn(1, 2, 4) == means(1, 2, 4));
  CHECK_THROWS_WITH_AS(tokenizer.encode(second, xt::xtensor<float, 2>()),
                       "Tokenizer::encode: found 0 values of noise, expected 72", Error);

  const Image image = tokenizer.decode(alone * 1.0F);
  CHECK(agree(image, Image(xt::view(tokenizer.decode(means), 1))));
  CHECK(image == tokenizer.reconstruct(second));
  CHECK_THROWS_WITH_AS(tokenizer.decode(xt::xtensor<float, 2>(std::array<std::size_t, 2>{6, 11})),
                       "Tokenizer::decode: found tokens of shape [6, 11], expected [6, 12] (tokens, code_dim)", Error);
}

TEST_CASE("a text-aware decoder sees each image's own text, and wants one") {
  using T = Tokenizer<presets::tiny_tatitok_vq, Tested>;
  T tokenizer = T::random(5, 2);
  xt::xtensor<Token, 2> ids(std::array<std::size_t, 2>{3, 6});
  std::iota(ids.begin(), ids.end(), 0);
  xt::xtensor<float, 3> text(std::array<std::size_t, 3>{3, 7, 20});
  std::iota(text.begin(), text.end(), -200.0F);
  const xt::xtensor<float, 4> images = tokenizer.decode(ids, text / 100.0F);
  T::Tokens last;
  std::copy(ids.begin() + 12, ids.end(), last.begin());
  CHECK(agree(tokenizer.decode(last, xt::view(text, 2) / 100.0F), Image(xt::view(images, 2))));
  CHECK(tokenizer.decode(last, xt::view(text, 1) / 100.0F) != Image(xt::view(images, 2)));
  CHECK_THROWS_WITH_AS(tokenizer.decode(ids), "Tokenizer::decode: found 0 values of text, expected 420", Error);

  auto without = Tokenizer<presets::tiny_titok_vq, Tested>::random(5);
  CHECK_THROWS_WITH_AS(without.decode(ids, text), "Tokenizer::decode: found 420 values of text, expected 0", Error);
}

TEST_CASE("wrong shapes and ids are refused") {
  using T = Tokenizer<presets::tiny_patch, Tested>;
  T tokenizer = T::random(5);
  const xt::xtensor<float, 3> narrow(std::array<std::size_t, 3>{3, 32, 31});
  CHECK_THROWS_WITH_AS(tokenizer.encode(narrow),
                       "Tokenizer::encode: found an image of shape [3, 32, 31], expected [3, 32, 32] (channels, "
                       "height, width)",
                       Error);
  T::Tokens ids{};
  ids[3] = 48;
  CHECK_THROWS_WITH_AS(tokenizer.decode(ids), "Tokenizer::decode: found token 48, expected ids from 0 to 47", Error);
  CHECK_THROWS_WITH_AS(tokenizer.decode(xt::xtensor<Token, 2>(std::array<std::size_t, 2>{2, 15})),
                       "Tokenizer::decode: found tokens of shape [15], expected [16] (tokens)", Error);
}

TEST_CASE("weights of another number and batches of no image are refused") {
  using T = Tokenizer<presets::one_token, Tested>;
  const std::vector<float> weights(5);
  CHECK(tessera_test::contains(tessera_test::error_line([&] { (void)T(View<const float>(weights)); }), "5 parameters"));
  CHECK(tessera_test::contains(tessera_test::error_line([&] { (void)T::random(1, 0); }), "batch 0"));
}

TEST_CASE("views of other sizes are refused before anything is read or written") {
  using T = Tokenizer<presets::tiny_patch, Tested>;
  T tokenizer = T::random(5, 2);
  constexpr std::size_t images = 3;
  const auto sized = [&](Index values) { return std::vector<float>(images * static_cast<std::size_t>(values), 0.5F); };
  std::vector<float> in = sized(T::image_values), latents = sized(T::latent_values), margins = sized(T::tokens),
                     out = sized(T::image_values), none;
  std::vector<Token> ids(margins.size());
  tokenizer.encode(in, ids, margins);
  tokenizer.latents(in, latents);
  tokenizer.decode(ids, out);

  const auto shorter = [](auto& values) { return std::span(values).first(values.size() - 1); };
  const auto longer = [](auto values) {
    values.push_back({});
    return values;
  };
  auto more = longer(in), more_out = longer(out);
  auto more_ids = longer(ids);
  const auto refuses = [](auto&& call, const std::string& line) { CHECK(tessera_test::error_line(call) == line); };
  const std::string whole = ", expected a multiple of 3072, those of one image";
  refuses([&] { tokenizer.encode(shorter(in), ids); }, "Tokenizer::encode: found 9215 values of images" + whole);
  refuses([&] { tokenizer.encode(more, ids); }, "Tokenizer::encode: found 9217 values of images" + whole);
  refuses([&] { tokenizer.encode(in, shorter(ids)); }, "Tokenizer::encode: found 47 ids, expected 48");
  refuses([&] { tokenizer.encode(in, more_ids); }, "Tokenizer::encode: found 49 ids, expected 48");
  refuses([&] { tokenizer.encode(in, ids, shorter(margins)); }, "Tokenizer::encode: found 47 margins, expected 48");
  refuses([&] { tokenizer.encode(none, ids); }, "Tokenizer::encode: found 48 ids, expected 0");
  refuses([&] { tokenizer.latents(shorter(in), latents); }, "Tokenizer::latents: found 9215 values of images" + whole);
  refuses([&] { tokenizer.latents(in, shorter(latents)); },
          "Tokenizer::latents: found " + std::to_string(latents.size() - 1) + " values of latents, expected " +
              std::to_string(latents.size()));
  refuses([&] { tokenizer.decode(shorter(ids), out); },
          "Tokenizer::decode: found 47 ids, expected a multiple of 16, those of one image");
  refuses([&] { tokenizer.decode(ids, shorter(out)); },
          "Tokenizer::decode: found 9215 values of images, expected 9216");
  refuses([&] { tokenizer.decode(ids, more_out); }, "Tokenizer::decode: found 9217 values of images, expected 9216");
  ids[17] = -1;
  refuses([&] { tokenizer.decode(ids, out); }, "Tokenizer::decode: found token -1, expected ids from 0 to 47");
  ids[17] = 48;
  refuses([&] { tokenizer.decode(ids, out); }, "Tokenizer::decode: found token 48, expected ids from 0 to 47");
}

TEST_CASE("views of continuous tokens, noise and text of other sizes are refused") {
  using T = Tokenizer<presets::tiny_tatitok_vae, Tested>;
  T tokenizer = T::random(5, 2);
  const auto sized = [&](Index values) { return std::vector<float>(static_cast<std::size_t>(3 * values), 0.5F); };
  std::vector<float> in = sized(T::image_values), latents = sized(T::latent_values),
                     parameters = sized(T::posterior_values), out = sized(T::image_values), noise = latents,
                     text = sized(T::text_values);
  tokenizer.encode(in, latents, noise);
  tokenizer.decode(latents, out, text);
  const auto shorter = [](std::vector<float>& values) { return View<float>(values).first(values.size() - 1); };
  const auto refuses = [](auto&& call, const std::string& part) {
    const std::string line = tessera_test::error_line(call);
    CAPTURE(line);
    CHECK(tessera_test::contains(line, part));
  };
  refuses([&] { tokenizer.encode(in, shorter(latents)); }, "Tokenizer::encode: found 215 values of latents");
  refuses([&] { tokenizer.encode(in, latents, shorter(noise)); }, "Tokenizer::encode: found 215 values of noise");
  refuses([&] { tokenizer.encode(shorter(in), latents); }, "values of images, expected a multiple of 3072");
  refuses([&] { tokenizer.posterior(in, shorter(parameters)); }, "Tokenizer::posterior: found 431 parameters");
  refuses([&] { tokenizer.decode(shorter(latents), out, text); }, "found 215 values of latents, expected a multiple");
  refuses([&] { tokenizer.decode(latents, shorter(out), text); }, "Tokenizer::decode: found 9215 values of images");
  refuses([&] { tokenizer.decode(latents, out, shorter(text)); }, "values of text, expected 420");
}

TEST_CASE("NaN and infinity are refused, in images, latents, noise, texts and weights") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  using tessera_test::error_line;
  using T = Tokenizer<presets::tiny_patch, Tested>;
  using Continuous = Tokenizer<presets::tiny_tatitok_vae, Tested>;
  T tokenizer = T::random(5, 2);
  Continuous continuous = Continuous::random(5, 2);
  std::vector<float> in = random_images<T>(3, 6), out = in;
  std::vector<float> latents(static_cast<std::size_t>(3 * Continuous::latent_values), 0.5F),
      noise = latents, parameters(2 * latents.size()), codes(static_cast<std::size_t>(3 * T::latent_values)),
      text(static_cast<std::size_t>(3 * Continuous::text_values), 0.5F);
  std::vector<Token> ids(48, -7);
  for (const float wrong : {nan, infinity, -infinity}) {
    const std::string found = std::isnan(wrong) ? "found NaN in " : "found infinity in ";
    const auto refused = [&](const std::string& function, const std::string& where, auto&& call) {
      CHECK(error_line(call) == "Tokenizer::" + function + ": " + found + where + ", expected finite numbers");
    };
    in[2 * 3072 + 1] = wrong;  // beyond the first pass
    refused("encode", "image 2", [&] { tokenizer.encode(in, ids); });
    CHECK(std::ranges::all_of(ids, [](Token id) { return id == -7; }));
    refused("latents", "image 2", [&] { tokenizer.latents(in, codes); });
    refused("posterior", "image 2", [&] { continuous.posterior(in, parameters); });
    refused("encode", "image 2", [&] { continuous.encode(in, latents); });
    const auto batch = xt::adapt(in, std::array<std::size_t, 4>{3, 3, 32, 32});
    refused("encode", "image 2", [&] { (void)tokenizer.encode(batch); });
    refused("encode", "image 2", [&] { (void)continuous.encode(batch * 2.0); });
    refused("encode", "image 0", [&] { (void)tokenizer.encode(xt::view(batch, 2)); });
    refused("encode", "image 2", [&] { (void)tokenizer.reconstruct(batch); });
    in[2 * 3072 + 1] = 0;

    noise[72] = wrong;
    refused("encode", "the noise of image 1", [&] { continuous.encode(in, latents, noise); });
    noise[72] = 0;
    latents[71] = wrong;
    refused("decode", "the latents of image 0", [&] { continuous.decode(latents, out, text); });
    latents[71] = 0;
    text[419] = wrong;
    refused("decode", "the text of image 2", [&] { continuous.decode(latents, out, text); });
    text[419] = 0;

    AlignedBuffer<float> weights(ParameterTable<presets::tiny_patch>::size);
    initialize(ParameterTable<presets::tiny_patch>::parameters(), weights.view(), 1);
    for (const Parameter& p : ParameterTable<presets::tiny_patch>::parameters()) {
      float& last = slice(weights.view(), p).back();
      const float before = std::exchange(last, wrong);
      CHECK(tessera_test::contains(error_line([&] { (void)T(std::as_const(weights).view()); }),
                                   "'" + p.name + "': " + found.substr(0, found.size() - 3) + "at element"));
      last = before;
    }
  }
  tokenizer.encode(in, ids);
  CHECK(std::ranges::all_of(ids, [](Token id) { return id >= 0; }));
  const xt::xtensor<double, 3> too_large = 1e300 * xt::ones<double>(std::array<std::size_t, 3>{3, 32, 32});
  CHECK(tessera_test::contains(error_line([&] { (void)tokenizer.encode(too_large); }), "found infinity in image 0"));
}

TEST_CASE("a saved model loads without being told its Config, and refuses another") {
  const tessera_test::TemporaryFolder folder;
  const std::filesystem::path path = folder / "model.safetensors";
  using T = Tokenizer<presets::tiny_latent, Tested>;
  T saved = T::random(8);
  saved.save(path);
  CHECK(stated_config(WeightFile(path)).config == presets::tiny_latent);

  T loaded = T::load(path);
  const std::vector<float> images = random_images<T>(1, 9);
  std::vector<float> a(static_cast<std::size_t>(T::latent_values), nan), b(a.size(), nan);
  saved.latents(images, a);
  loaded.latents(images, b);
  CHECK(a == b);

  using Other = Tokenizer<presets::tiny_patch, Tested>;
  CHECK_THROWS_AS(Other::load(path), Error);
}

}  // namespace
