// A Config's JSON: every field comes back, and nothing is guessed.
#include <doctest/doctest.h>

#include <files.hpp>

#include <tessera/io/config_json.hpp>
#include <tessera/presets.hpp>

using namespace tessera;
using namespace tessera_test;

namespace {

Config read(const nlohmann::json& json) {
  return config_from_json_text(json.dump(), "config.json");
}

nlohmann::json as_json(const Config& config) {
  return nlohmann::json::parse(to_json_text(config));
}

std::string line_for(const nlohmann::json& json) {
  return error_line([&] { read(json); });
}

/// tiny_titok_legacy's, with the value at a JSON pointer replaced.
std::string line_with(const char* field, const nlohmann::json& value) {
  nlohmann::json json = as_json(presets::tiny_titok_legacy);
  json[nlohmann::json::json_pointer(field)] = value;
  return line_for(json);
}

}  // namespace

TEST_CASE("config: what is written is read") {
  Config odd = presets::tiny_tatitok_vae;
  odd.image = {24, 48};
  odd.channels = 5;
  odd.encoder.mlp_ratio = 3;
  odd.commitment = 1e300;
  for (const Config& config : {odd, presets::patch_256, presets::latent_256, presets::demo_128, presets::titok_l32,
                               presets::tiny_titok_legacy, presets::tatitok_sl128_vae}) {
    CHECK(config_from_json_text(to_json_text(config), "x") == config);
  }
}

TEST_CASE("config: the text is what models have always carried") {
  CHECK(to_json_text(presets::tiny_titok_legacy) == as_json(presets::tiny_titok_legacy).dump());
  CHECK(to_json_text(presets::tiny_patch) ==
        R"({"channels":3,"class_token":false,"code_dim":12,"codebook_size":48,"commitment":0.25,)"
        R"("decoder":{"depth":2,"dim":48,"heads":3,"mlp_ratio":4},"encoder":{"depth":2,"dim":32,"heads":4,)"
        R"("mlp_ratio":4},"image":{"height":32,"width":32},"latent_tokens":0,"metric":"euclidean","patch_size":8,)"
        R"("pixel_decoder":{"channel_mult":[0,0,0,0,0,0,0,0],"codebook_size":0,"hidden_channels":0,"res_blocks":0,)"
        R"("z_channels":0},"quantize_mode":"vq","range":"minus_one_one","reinterpreted_latents":false,)"
        R"("text":{"length":0,"width":0}})");
  const Config config = presets::tiny_patch;
  CHECK(config_from_json_text("\xef\xbb\xbf" + to_json_text(config), "a byte order mark") == config);
}

TEST_CASE("config: fields that are left out mean their defaults") {
  const auto read_text = [](const char* text) { return config_from_json_text(text, "x"); };
  const Config least = read_text(R"({"image": {"height": 8, "width": 4}, "patch_size": 4, "code_dim": 2,
                                     "encoder": {"dim": 6, "depth": 1, "heads": 2},
                                     "decoder": {"dim": 8, "depth": 2, "heads": 4}})");
  CHECK(least == Config{.image = {8, 4},
                        .patch_size = 4,
                        .encoder = {.dim = 6, .depth = 1, .heads = 2},
                        .decoder = {.dim = 8, .depth = 2, .heads = 4},
                        .code_dim = 2});
  nlohmann::json some = as_json(presets::tiny_titok_legacy);
  some["pixel_decoder"].erase("res_blocks");
  Config expected = presets::tiny_titok_legacy;
  expected.pixel_decoder.res_blocks = 0;
  CHECK(read(some) == expected);
}

TEST_CASE("config: a required field that is missing is named") {
  for (const auto& required : {std::pair{"/image", "width"},
                               {"", "patch_size"},
                               {"/encoder", "dim"},
                               {"/decoder", "heads"},
                               {"", "code_dim"}}) {
    const char* const field = required.second;
    CAPTURE(field);
    nlohmann::json json = as_json(presets::tiny_patch);
    json[nlohmann::json::json_pointer(required.first)].erase(field);
    CHECK(contains(line_for(json), "config.json: found"));
    CHECK(contains(line_for(json), field));
  }
}

TEST_CASE("config: values that a field cannot have are refused, not converted") {
  CHECK(contains(line_with("/patch_size", 8.5), "found patch_size 8.5, expected an integer below 2^63"));
  CHECK(contains(line_with("/patch_size", 1e300), "found patch_size 1e+300"));
  CHECK(contains(line_with("/encoder/dim", -1e300), "found encoder.dim -1e+300"));
  CHECK(contains(line_with("/codebook_size", ~std::uint64_t{0}), "found codebook_size 18446744073709551615"));
  CHECK(contains(line_with("/pixel_decoder/channel_mult/2", 1e19), "found pixel_decoder.channel_mult.2 1e+19"));
  CHECK(contains(line_with("/metric", "dot"), "found metric \"dot\", expected \"euclidean\" or \"cosine\""));
  CHECK(contains(line_with("/quantize_mode", "fsq"), "config.json: found"));
  CHECK(contains(line_with("/class_token", 1), "found class_token 1, expected true or false"));
  CHECK(contains(line_with("/image", 32), "found image 32, expected a JSON object"));
  CHECK(contains(line_with("/image/depth", 32), "found unknown field image.depth"));
  CHECK(contains(line_with("/colour", 1), "config.json: found"));
  CHECK(contains(line_with("/pixel_decoder/channel_mult", {1, 1}), "config.json: found"));
  CHECK(contains(line_with("/pixel_decoder/channel_mult/8", 1), "config.json: found"));
  CHECK(contains(error_line([] { (void)config_from_json_text(std::string(1000000, '['), "config.json"); }), "found"));
  const std::string deep = "{\"image\":" + std::string(1000000, '[') + std::string(1000000, ']') + "}";
  CHECK(
      contains(error_line([&] { (void)config_from_json_text(deep, "config.json"); }), "JSON in more than 64 brackets"));
  CHECK(contains(line_for(nlohmann::json::array()), "config.json: found"));
  CHECK(contains(error_line([] { (void)config_from_json_text("{", "config.json"); }), "config.json: found"));
}
