// Ids, latents and decoded images of the published code's small models, on any backend.
#pragma once

#include <golden_models.hpp>

#include <vector>

#include <tessera/io/npy.hpp>
#include <tessera/tokenizer.hpp>

namespace tessera::testing {

inline constexpr float unset = std::numeric_limits<float>::quiet_NaN();

template <class T>
std::vector<T> load(const std::string& name, const char* file) {
  const NpyFile npy(golden_folder(name) / file);
  const auto values = npy.values<T>();
  return {values.begin(), values.end()};
}

inline std::vector<float> load_text(const Config& config, const std::string& name) {
  return config.has_text() ? load<float>(name, "text.npy") : std::vector<float>();
}

template <Config config, class B>
void check_codes(const std::string& name, Tokenizer<config, B>& tokenizer, View<const float> input,
                 View<float> images) {
  const auto tokens = load<Token>(name, "tokens.npy");
  std::vector<Token> ids(tokens.size(), -1);
  tokenizer.encode(input, ids);
  CHECK(ids == tokens);

  const auto expected = load<float>(name, "latent.npy");
  std::vector<float> latents(expected.size(), unset);
  tokenizer.latents(input, latents);
  CHECK(relative_difference(latents, expected) < 2e-5);

  tokenizer.decode(tokens, images, load_text(config, name));
}

template <Config config, class B>
void check_continuous(const std::string& name, Tokenizer<config, B>& tokenizer, View<const float> input,
                      View<float> images) {
  constexpr Index C = config.code_dim;
  const auto expected = load<float>(name, "latent.npy");
  const Index rows = static_cast<Index>(expected.size()) / (2 * C);
  std::vector<float> parameters(expected.size(), unset);
  tokenizer.posterior(input, parameters);
  CHECK(relative_difference(parameters, expected) < 2e-5);

  typename B::template Buffer<typename B::Scalar> uploaded(2 * rows * C), divergence(rows);
  std::vector<float> kl(static_cast<std::size_t>(rows), unset);
  B::upload(parameters, uploaded.view());
  B::gaussian_kl(shape<C>, rows, uploaded.view(), divergence.view());
  B::download(divergence.view(), kl);
  CHECK(relative_difference(kl, load<float>(name, "kl.npy")) < 2e-5);

  std::vector<float> means(static_cast<std::size_t>(rows * C), unset);
  for (std::size_t i = 0; i < means.size(); ++i) means[i] = expected[i / C * 2 * C + i % C];
  std::vector<float> latents(means.size(), unset);
  tokenizer.encode(input, latents);
  CHECK(relative_difference(latents, means) < 2e-5);

  tokenizer.decode(means, images, load_text(config, name));
}

template <Config config, class B>
void check_golden(const std::string& name) {
  CAPTURE(name);
  auto tokenizer = Tokenizer<config, B>::load(golden_folder(name), 3);  // passes of 3, 3 and 2 images
  const auto input = load<float>(name, "input.npy"), decoded = load<float>(name, "decoded.npy");
  std::vector<float> images(decoded.size(), unset);
  if constexpr (config.has_codes()) {
    check_codes<config, B>(name, tokenizer, input, images);
  } else {
    check_continuous<config, B>(name, tokenizer, input, images);
  }
  // Two dozen convolutions and norms, one after the other, round more often than a transformer of two blocks.
  CHECK(relative_difference(images, decoded) < (config.has_pixel_decoder() ? 5e-5 : 2e-5));
}

template <class B>
void check_golden_models() {
  // [&] captures nothing: nvcc 13 refuses to make a function pointer of a [] with a Config.
  for_each_golden_model([&]<Config config>(const std::string& name) { check_golden<config, B>(name); });
}

}  // namespace tessera::testing
