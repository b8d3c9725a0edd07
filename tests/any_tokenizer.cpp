// Which preset a model's file belongs to. That each preset computes what its Tokenizer does is
// tests/program/golden.cpp.
#include <doctest/doctest.h>

#include <files.hpp>
#include <vector>

#include <tessera/any_tokenizer.hpp>
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
          .batch = 1,
          .workspace_bytes = 0,
          .tensors = &ParameterTable<config>::parameters,
          .load = nullptr,
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
                 "config, or --preset NAME"));
  CHECK(contains(error_line([] { (void)preset_of(list(), golden("one_token")); }),
                 "found tensors of no preset, expected one of tiny_patch, tiny_titok_vq, tiny_titok_cosine"));
}

TEST_CASE("preset_of: the config that the file states decides") {
  const TemporaryFolder folder;
  const auto save = [&]<Config config>() {
    const AlignedBuffer<float> weights(ParameterTable<config>::size);
    save_parameters(folder / "model.safetensors", config, ParameterTable<config>::parameters(), weights.view());
  };
  save.operator()<presets::tiny_titok_cosine>();
  CHECK(preset_of(list(), folder.path()).name == "tiny_titok_cosine");
  save.operator()<presets::one_token>();
  CHECK(contains(error_line([&] { (void)preset_of(list(), folder.path()); }), "found a model of config {"));
}

TEST_CASE("find_preset") {
  REQUIRE(find_preset(list(), "tiny_titok_vq") != nullptr);
  CHECK(find_preset(list(), "tiny_titok_vq")->config == presets::tiny_titok_vq);
  CHECK(find_preset(list(), "tiny") == nullptr);
}
