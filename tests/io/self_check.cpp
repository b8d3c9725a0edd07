// A saved model's image and tokens: they come back, and a model that gives other tokens is found out.
#include <tessera/io/self_check.hpp>

#include <doctest/doctest.h>

#include <backend/tested.hpp>
#include <files.hpp>

#include <tessera/io/model_file.hpp>
#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>
#include <tessera/trainer.hpp>

using namespace tessera;
using namespace tessera_test;
using tessera::testing::Tested;

namespace {

constexpr Config ids = presets::tiny_latent, continuous = presets::tiny_titok_vae;

SelfCheck check_of(const std::filesystem::path& path, const Config& config) {
  const std::optional<SelfCheck> check = stated_self_check(WeightFile(path), config);
  REQUIRE(check.has_value());
  return *check;
}

/// The model's file with `check` in the place of its own.
template <Config config>
void replace_check(const std::filesystem::path& path, const SelfCheck& check) {
  using Table = ParameterTable<config>;
  AlignedBuffer<float> weights(Table::size);
  load_parameters(path, config, Table::parameters(), weights.view());
  save_parameters(path, config, Table::parameters(), weights.view(), check);
}

}  // namespace

TEST_CASE_TEMPLATE("self-check: a saved model passes its own", T, Tokenizer<ids, Tested>,
                   Tokenizer<continuous, Tested>) {
  const TemporaryFolder folder;
  const auto path = folder / "model.safetensors";
  T::random(4).save(path);
  const SelfCheck check = check_of(path, T::configuration);
  CHECK(check.image.height == 32);
  CHECK(check.ids.size() == (T::configuration.has_codes() ? 6 : 0));
  CHECK(check.latents.size() == (T::configuration.has_codes() ? 0 : 6 * 12));
  CHECK_NOTHROW(T::load(path, Verify::yes));
  CHECK_NOTHROW(T::load(folder.path(), Verify::yes, 3));
}

TEST_CASE("self-check: other tokens are found out, and only on demand") {
  const TemporaryFolder folder;
  const auto path = folder / "model.safetensors";
  Tokenizer<ids, Tested>::random(4).save(path);
  SelfCheck check = check_of(path, ids);
  for (const std::size_t i : {1, 4}) check.ids[i] = (check.ids[i] + 1) % 48;
  replace_check<ids>(path, check);
  CHECK(contains(error_line([&] { Tokenizer<ids, Tested>::load(path, Verify::yes); }),
                 "model.safetensors: found other tokens for the image that it carries (2 differ)"));
  CHECK_NOTHROW(Tokenizer<ids, Tested>::load(path));
  CHECK_NOTHROW(Tokenizer<ids, Tested>::load(path, Verify::no));

  Tokenizer<continuous, Tested>::random(4).save(path);
  check = check_of(path, continuous);
  const float largest = std::fabs(*std::ranges::max_element(check.latents, {}, [](float x) { return std::fabs(x); }));
  check.latents[7] += 1e-5F * largest;  // within float32's rounding
  replace_check<continuous>(path, check);
  CHECK_NOTHROW(Tokenizer<continuous, Tested>::load(path, Verify::yes));
  check.latents[7] += 1e-4F * largest;
  replace_check<continuous>(path, check);
  CHECK(contains(error_line([&] { Tokenizer<continuous, Tested>::load(path, Verify::yes); }), "(1 differ)"));
}

TEST_CASE("self-check: a file without one cannot be verified") {
  const auto golden = std::filesystem::path(TESSERA_TEST_DATA) / "golden" / "tiny_latent";
  CHECK(contains(error_line([&] { Tokenizer<ids, Tested>::load(golden, Verify::yes); }),
                 "model.safetensors: found no image to check, expected a model that tessera saved"));
}

TEST_CASE("self-check: a trainer's models carry that of their weights") {
  const TemporaryFolder folder;
  Trainer<ids, Tested> trainer({.batch_size = 1, .ema_decay = 0.9, .seed = 5});
  const std::vector<float> image(static_cast<std::size_t>(ids.image_values()), 0.25F);
  for (int step = 0; step < 2; ++step) trainer.step(image);
  trainer.save_weights(folder / "model.safetensors");
  trainer.save_averaged_weights(folder / "ema.safetensors");
  for (const char* name : {"model.safetensors", "ema.safetensors"}) {
    CHECK_NOTHROW(Tokenizer<ids, Tested>::load(folder / name, Verify::yes));
  }
}

TEST_CASE("self-check: images smaller than 32 x 32, and of other channels") {
  constexpr Config narrow{.image = {8, 48},
                          .channels = 5,
                          .patch_size = 8,
                          .encoder = {.dim = 8, .depth = 1, .heads = 1},
                          .decoder = {.dim = 8, .depth = 1, .heads = 1},
                          .codebook_size = 7,
                          .code_dim = 3};
  const auto none = [](View<const float> images, View<Token>, View<float>) {
    REQUIRE(images.size() == std::size_t{5 * 8 * 48});
  };
  const SelfCheck check = make_self_check(narrow, none);
  CHECK(check.image.height == 8);
  CHECK(check.image.width == 32);
  CHECK(check.image.channels == 5);
  const SelfCheck again = self_check_from_json_text(to_json_text(check), "x", narrow);
  CHECK(again.image == check.image);
  CHECK(again.ids == check.ids);
}

TEST_CASE("self-check: every wrong text is refused") {
  const auto none = [](auto...) {};
  const nlohmann::json right = nlohmann::json::parse(to_json_text(make_self_check(ids, none)));
  const auto line = [](const nlohmann::json& json) {
    return error_line([&] { (void)self_check_from_json_text(json.dump(), "file", ids); });
  };
  REQUIRE(line(right) == "");
  const auto with = [&](const char* pointer, const nlohmann::json& value) {
    nlohmann::json wrong = right;
    wrong[nlohmann::json::json_pointer(pointer)] = value;
    return line(wrong);
  };
  CHECK(contains(with("/ids/2", 48), "file: found a value of \"ids\" of tessera.check"));
  CHECK(contains(with("/ids/2", -1), "a value of \"ids\""));
  CHECK(contains(with("/ids/2", 1.5), "a value of \"ids\""));
  CHECK(contains(with("/ids/2", "1"), "a value of \"ids\""));
  CHECK(contains(with("/ids", {1, 2}), "no \"ids\" of 6 numbers"));
  CHECK(contains(with("/image/0", 256), "a value of \"image\""));
  CHECK(contains(with("/image", {1, 2}), "no \"image\" of 3072 numbers"));
  CHECK(contains(with("/shape/0", 31), "no \"image\" of 2976 numbers"));
  CHECK(contains(with("/shape/2", 4), "a \"shape\""));
  CHECK(contains(with("/shape/0", std::int64_t{1} << 62), "a value of \"shape\""));
  CHECK(contains(line(nlohmann::json::array()), "no \"shape\""));
  CHECK(contains(error_line([] { (void)self_check_from_json_text("{", "file", ids); }), "no \"shape\""));
  // Continuous tokens are another model's.
  CHECK(
      contains(error_line([&] { (void)self_check_from_json_text(right.dump(), "file", continuous); }), "\"latents\""));
}
