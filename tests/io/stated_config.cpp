// The published checkpoints' config.json files, and the presets that they belong to.
#include <tessera/io/stated_config.hpp>

#include <doctest/doctest.h>

#include <map>
#include <set>

#include <tessera/presets.hpp>

using namespace tessera;

namespace {

struct Named {
  const char* name;
  Config config;
};

const Named all[] = {{"titok_l32", presets::titok_l32},
                     {"titok_b64", presets::titok_b64},
                     {"titok_s128", presets::titok_s128},
                     {"titok_bl64_vq8k", presets::titok_bl64_vq8k},
                     {"titok_bl128_vq8k", presets::titok_bl128_vq8k},
                     {"titok_sl256_vq8k", presets::titok_sl256_vq8k},
                     {"titok_ll32_vae_c16", presets::titok_ll32_vae_c16},
                     {"titok_bl64_vae_c16", presets::titok_bl64_vae_c16},
                     {"titok_bl128_vae_c16", presets::titok_bl128_vae_c16},
                     {"tatitok_bl32_vq", presets::tatitok_bl32_vq},
                     {"tatitok_bl64_vq", presets::tatitok_bl64_vq},
                     {"tatitok_bl128_vq", presets::tatitok_bl128_vq},
                     {"tatitok_bl32_vae", presets::tatitok_bl32_vae},
                     {"tatitok_bl64_vae", presets::tatitok_bl64_vae},
                     {"tatitok_sl128_vae", presets::tatitok_sl128_vae},
                     {"patch_256", presets::patch_256},
                     {"latent_256", presets::latent_256}};

/// The presets that agree with `model.vq_model`.
std::set<std::string> agreeing(const nlohmann::json& vq_model, Index crop_size = 256) {
  const nlohmann::json json{{"model", {{"vq_model", vq_model}}},
                            {"dataset", {{"preprocessing", {{"crop_size", crop_size}}}}}};
  const StatedConfig stated{"config.json", {}, parse_json(json.dump())};
  std::set<std::string> names;
  for (const Named& preset : all) {
    if (differences(stated, preset.config).empty()) names.insert(preset.name);
  }
  return names;
}

/// As the legacy checkpoints' configs are written: is_legacy did not exist yet.
nlohmann::json legacy(const char* size, Index tokens) {
  return {{"codebook_size", 4096},    {"token_size", 12},           {"use_l2_norm", true},
          {"commitment_cost", 0.25},  {"vit_enc_model_size", size}, {"vit_dec_model_size", size},
          {"vit_enc_patch_size", 16}, {"vit_dec_patch_size", 16},   {"num_latent_tokens", tokens},
          {"finetune_decoder", true}};
}

nlohmann::json vq(const char* encoder, Index tokens) {
  return {{"codebook_size", 8192},
          {"token_size", 64},
          {"use_l2_norm", false},
          {"commitment_cost", 0.25},
          {"vit_enc_model_size", encoder},
          {"vit_dec_model_size", "large"},
          {"vit_enc_patch_size", 16},
          {"vit_dec_patch_size", 16},
          {"num_latent_tokens", tokens},
          {"finetune_decoder", false},
          {"is_legacy", false}};
}

nlohmann::json vae(const char* encoder, Index tokens) {
  return {{"quantize_mode", "vae"},        {"token_size", 16},          {"vit_enc_model_size", encoder},
          {"vit_dec_model_size", "large"}, {"vit_enc_patch_size", 16},  {"vit_dec_patch_size", 16},
          {"num_latent_tokens", tokens},   {"finetune_decoder", false}, {"is_legacy", false}};
}

using Names = std::set<std::string>;

}  // namespace

TEST_CASE("published config.json: each names its preset") {
  CHECK(agreeing(legacy("large", 32)) == Names{"titok_l32"});
  CHECK(agreeing(legacy("base", 64)) == Names{"titok_b64"});
  CHECK(agreeing(legacy("small", 128)) == Names{"titok_s128"});
  CHECK(agreeing(vq("small", 256)) == Names{"titok_sl256_vq8k"});
  CHECK(agreeing(vae("large", 32)) == Names{"titok_ll32_vae_c16"});
  CHECK(agreeing(vae("base", 128)) == Names{"titok_bl128_vae_c16"});
  // Text-aware models say nothing of it: their tensors do.
  CHECK(agreeing(vq("base", 32)) == Names{"tatitok_bl32_vq"});
  CHECK(agreeing(vq("base", 64)) == Names{"tatitok_bl64_vq", "titok_bl64_vq8k"});
  CHECK(agreeing(vq("base", 128)) == Names{"tatitok_bl128_vq", "titok_bl128_vq8k"});
  CHECK(agreeing(vae("base", 64)) == Names{"tatitok_bl64_vae", "titok_bl64_vae_c16"});
  CHECK(agreeing(vae("base", 32)) == Names{"tatitok_bl32_vae"});
  CHECK(agreeing(vae("small", 128)) == Names{"tatitok_sl128_vae"});
}

TEST_CASE("published config.json: what is missing means the published code's defaults") {
  nlohmann::json model = legacy("base", 64);
  model.erase("finetune_decoder");
  CHECK(agreeing(model) == Names{"titok_b64"});
  model["is_legacy"] = true;
  CHECK(agreeing(model) == Names{"titok_b64"});
  model["finetune_decoder"] = false;  // the first training stage, without a pixel decoder
  CHECK(agreeing(model).empty());
  model = vq("base", 64);
  model.erase("is_legacy");
  CHECK(agreeing(model).empty());
  model = vae("base", 64);
  model.erase("quantize_mode");
  CHECK(agreeing(model).empty());
  // The weight of a loss changes no token.
  model = legacy("base", 64);
  model["commitment_cost"] = 0.0;
  CHECK(agreeing(model) == Names{"titok_b64"});
}

TEST_CASE("published config.json: what it says is compared, whatever it is") {
  for (const auto& wrong : std::map<std::string, nlohmann::json>{{"codebook_size", 1024},
                                                                 {"token_size", "12"},
                                                                 {"use_l2_norm", 1},
                                                                 {"vit_enc_model_size", "huge"},
                                                                 {"vit_dec_patch_size", 16.5},
                                                                 {"num_latent_tokens", nlohmann::json::array()},
                                                                 {"quantize_mode", nlohmann::json::object()}}) {
    CAPTURE(wrong.first);
    nlohmann::json model = legacy("base", 64);
    model[wrong.first] = wrong.second;
    CHECK(agreeing(model).empty());
  }
  CHECK(agreeing(legacy("base", 64), 512).empty());
  const nlohmann::json json{{"model", {{"vq_model", vq("base", 64)}}}};
  const StatedConfig stated{"config.json", {}, parse_json(json.dump())};
  CHECK(differences(stated, presets::titok_sl256_vq8k) ==
        std::vector<std::string>{"num_latent_tokens 64 instead of 256",
                                 "vit_enc_model_size \"base\" instead of \"small\""});
}
