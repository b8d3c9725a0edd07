// Ids, latents and decoded images of the published code's small models, on every backend.
#include <golden_models.hpp>

#include <vector>

#include <tessera/backend/reference/reference.hpp>
#include <tessera/io/npy.hpp>
#include <tessera/tokenizer.hpp>

using namespace tessera;

namespace {

template <Config config, class B>
void check_golden(const std::string& name) {
  CAPTURE(name);
  const auto folder = testing::golden_folder(name);
  const NpyFile input(folder / "input.npy");
  const NpyFile tokens(folder / "tokens.npy");
  const NpyFile latent(folder / "latent.npy");
  const NpyFile decoded(folder / "decoded.npy");
  auto tokenizer = Tokenizer<config, B>::load(folder, 3);  // passes of 3, 3 and 2 images

  constexpr float unset = std::numeric_limits<float>::quiet_NaN();
  std::vector<Token> ids(tokens.values<Token>().size(), -1);
  tokenizer.encode(input.values<float>(), ids);
  CHECK(std::ranges::equal(ids, tokens.values<Token>()));

  std::vector<float> latents(latent.values<float>().size(), unset);
  tokenizer.latents(input.values<float>(), latents);
  CHECK(testing::relative_difference(latents, latent.values<float>()) < 2e-5);

  std::vector<float> images(decoded.values<float>().size(), unset);
  tokenizer.decode(tokens.values<Token>(), images);
  CHECK(testing::relative_difference(images, decoded.values<float>()) < 2e-5);
}

template <class B>
void check_all() {
  testing::for_each_golden_model([]<Config config>(const std::string& name) { check_golden<config, B>(name); });
}

}  // namespace

TEST_CASE("golden models: reference<double>") {
  check_all<reference<double>>();
}
TEST_CASE("golden models: reference<float>") {
  check_all<reference<float>>();
}
TEST_CASE("golden models: cpu") {
  check_all<cpu>();
}
