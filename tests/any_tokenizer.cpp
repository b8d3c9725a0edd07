// Which preset a model's file belongs to. That each preset computes what its Tokenizer does is
// tests/program/golden.cpp.
#include <doctest/doctest.h>

#include <files.hpp>
#include <limits>
#include <string>
#include <vector>

#include <tessera/any_tokenizer.hpp>
#include <tessera/compile_preset.hpp>
#include <tessera/core/buffer.hpp>
#include <tessera/model.hpp>
#include <tessera/presets.hpp>

using namespace tessera;
using namespace tessera_test;

namespace {

template <Config config>
Preset listed(std::string_view name) {
  return {.name = name,
          .config = config,
          .parameters = ParameterTable<config>::values,
          .buffer_size = ParameterTable<config>::size,
          .batch = 1,
          .encode_bytes = 0,
          .decode_bytes = 0,
          .weight_bytes = nullptr,
          .tensors = &ParameterTable<config>::parameters,
          .tokenizer = nullptr,
          .trainer = nullptr};
}

const std::vector<Preset>& list() {
  static const std::vector<Preset> presets{listed<presets::tiny_patch>("tiny_patch"),
                                           listed<presets::tiny_titok_vq>("tiny_titok_vq"),
                                           listed<presets::tiny_titok_cosine>("tiny_titok_cosine")};
  return presets;
}

std::filesystem::path golden(const char* name) {
  return std::filesystem::path(TESSERA_TEST_DATA) / "golden" / name;
}

}  // namespace

TEST_CASE("preset_of: the one whose tensors the file holds, where it states no config") {
  CHECK(preset_of(list(), golden("tiny_patch")).name == "tiny_patch");
  CHECK(preset_of(list(), golden("tiny_patch") / "model.safetensors").name == "tiny_patch");
  CHECK(contains(error_line([] { (void)preset_of(list(), golden("tiny_titok_vq")); }),
                 "found tensors of several presets: tiny_titok_vq, tiny_titok_cosine, expected a file that states its "
                 "config"));
  const std::string line = error_line([] { (void)preset_of(list(), golden("one_token")); });
  CHECK(contains(line,
                 "found a latent model, 24 x 24 images, patches of 12, encoder 1 x 40, decoder 1 x 24, 1 tokens, 3 "
                 "codes of dimension 2: no 'encoder."));
  CHECK(contains(line, ", expected the nearest preset, tiny_"));
}

TEST_CASE("preset_of: the config that the file states decides") {
  const TemporaryFolder folder;
  const auto save = [&]<Config config>() {
    const AlignedBuffer<float> weights(ParameterTable<config>::size);
    save_parameters(folder / "model.safetensors", config, ParameterTable<config>::parameters(), weights.view());
  };
  save.operator()<presets::tiny_titok_cosine>();
  CHECK(preset_of(list(), folder.path()).name == "tiny_titok_cosine");
  save.operator()<presets::tiny_titok_vq>();
  CHECK(preset_of(list(), folder.path()).name == "tiny_titok_vq");
  save.operator()<presets::one_token>();
  const std::string line = error_line([&] { (void)preset_of(list(), folder.path()); });
  CHECK(contains(line,
                 "model.safetensors: found code_dim 2 instead of 12, codebook_size 3 instead of 48, decoder.depth 1"));
  CHECK(contains(line, ", expected the nearest preset, tiny_patch: a patch model, 32 x 32 images"));
}

TEST_CASE("preset_of: a published config.json decides, and what it leaves out the tensors do") {
  const TemporaryFolder folder;
  std::filesystem::copy_file(golden("tiny_titok_vq") / "model.safetensors", folder / "model.safetensors");
  const auto with_model = [&](const std::string& fields) {
    write_bytes(folder / "config.json", R"({"model": {"vq_model": {"is_legacy": false, "finetune_decoder": false)" +
                                            fields + R"(}}, "dataset": {"preprocessing": {"crop_size": 32}}})");
    std::string name;
    const std::string line = error_line([&] { name = preset_of(list(), folder.path()).name; });
    return line.empty() ? name : line;
  };
  CHECK(with_model(R"(, "use_l2_norm": true)") == "tiny_titok_cosine");
  CHECK(with_model(R"(, "use_l2_norm": false, "token_size": 12, "codebook_size": 48)") == "tiny_titok_vq");
  CHECK(contains(with_model(""), "found tensors of several presets: tiny_titok_vq, tiny_titok_cosine"));
  CHECK(contains(
      with_model(R"(, "use_l2_norm": true, "num_latent_tokens": 7)"),
      "config.json: found num_latent_tokens 7 instead of 6, expected the nearest preset, tiny_titok_cosine: "));
}

TEST_CASE("find_preset") {
  REQUIRE(find_preset(list(), "tiny_titok_vq") != nullptr);
  CHECK(find_preset(list(), "tiny_titok_vq")->config == presets::tiny_titok_vq);
  CHECK(find_preset(list(), "tiny") == nullptr);
}

TEST_CASE("stated_config: another program's config.json says nothing, a wrong one of ours is refused") {
  const TemporaryFolder folder;
  std::filesystem::copy_file(golden("tiny_patch") / "model.safetensors", folder / "model.safetensors");
  const auto with_config = [&](const std::string& text) { write_bytes(folder / "config.json", text); };
  with_config(R"({"model": {"type": "llm"}})");
  CHECK(preset_of(list(), folder.path()).name == "tiny_patch");
  const std::string right = to_json_text(presets::tiny_patch);
  with_config(right);
  CHECK(preset_of(list(), folder.path()).name == "tiny_patch");
  for (const auto& [what, instead] : {std::pair{"\"metric\":\"euclidean\"", "\"metric\":\"dot\""},
                                      std::pair{"\"patch_size\":8", "\"patch_size\":8.5"},
                                      std::pair{"\"channels\":3", "\"channels\":3,\"colour\":1"}}) {
    std::string wrong = right;
    REQUIRE(contains(wrong, what));
    wrong.replace(wrong.find(what), std::string(what).size(), instead);
    with_config(wrong);
    CHECK(contains(error_line([&] { (void)preset_of(list(), folder.path()); }), "config.json: found"));
  }
}

TEST_CASE("Preset::load: every value, the last ones too") {
  const Preset preset = tessera::preset<presets::odd_latent>("odd_latent");
  const auto any = preset.load(golden("odd_latent"));
  auto tokenizer = Tokenizer<presets::odd_latent>::load(golden("odd_latent"));
  std::vector<float> image(static_cast<std::size_t>(preset.config.image_values()), 0.25F), mine(image.size()),
      theirs(image.size());
  std::vector<Token> ids(static_cast<std::size_t>(preset.config.tokens()), preset.config.codebook_size - 1);
  any->decode(ids, mine);
  tokenizer.decode(ids, theirs);
  CHECK(mine == theirs);
}

TEST_CASE("AnyTokenizer: views of other sizes, NaN and foreign ids are refused") {
  const Preset preset = tessera::preset<presets::odd_latent>("odd_latent");
  const auto any = preset.load(golden("odd_latent"));
  std::vector<float> images(static_cast<std::size_t>(2 * preset.config.image_values()), 0.25F), again(images.size());
  std::vector<Token> ids(static_cast<std::size_t>(2 * preset.config.tokens()));
  any->reconstruct(images, again);
  const auto refuses = [](auto&& call, const std::string& part) { CHECK(contains(error_line(call), part)); };
  refuses([&] { any->reconstruct(images, View<float>(again).first(again.size() - 1)); },
          "AnyTokenizer::reconstruct: found " + std::to_string(again.size() - 1) + " values of the result, expected");
  refuses(
      [&] {
        any->reconstruct(View<float>(images).first(again.size() - 1), View<float>(again).first(again.size() - 1));
      },
      "Tokenizer::encode: found " + std::to_string(again.size() - 1) + " values of images, expected a multiple of");
  refuses([&] { any->encode(images, View<Token>(ids).first(1)); }, "Tokenizer::encode: found 1 ids, expected");
  refuses([&] { any->decode(View<const Token>(ids).first(1), again); }, "Tokenizer::decode: found 1 ids, expected a");
  ids.back() = preset.config.codebook_size;
  refuses([&] { any->decode(ids, again); }, "Tokenizer::decode: found token ");
  images.back() = std::numeric_limits<float>::quiet_NaN();
  refuses([&] { any->encode(images, ids); }, "Tokenizer::encode: found NaN in image 1, expected finite numbers");
  refuses([&] { any->reconstruct(images, again); }, "Tokenizer::encode: found NaN in image 1");
}

TEST_CASE("AnyTrainer: the image that a saved model carries has the tokens of the checker's backend") {
  const TemporaryFolder folder;
  const Preset preset = tessera::preset<presets::odd_latent>("odd_latent");
  const auto trainer = preset.trainer({.batch_size = 1, .seed = 3});
  const auto saved_ids = [&](const Preset* checker) {
    trainer->save_weights(folder / "model.safetensors", checker);
    return stated_self_check(WeightFile(folder / "model.safetensors"), preset.config)->ids;
  };
  Preset other = preset;  // gives id 0 to everything
  other.tokenizer = [](const ParameterSource&) {
    const std::vector<float> zeros(ParameterTable<presets::odd_latent>::size);
    return tessera::preset<presets::odd_latent>("").tokenizer(
        [&](const Parameter& p) { return slice(View<const float>(zeros), p); });
  };
  const std::vector<Token> own = saved_ids(nullptr), none(own.size());
  CHECK(own != none);
  CHECK(saved_ids(&preset) == own);
  CHECK(saved_ids(&other) == none);
}
