#include <tessera/nn/forward_weights.hpp>

#include <check/saved_weights.hpp>

#include <tessera/backend/reference/reference.hpp>

using namespace tessera;
using testing::check_round_trip;

TEST_CASE("a loaded model is saved with its own bits: cpu") {
  check_round_trip<Tokenizer<presets::odd_latent>>("odd_latent");
  check_round_trip<Tokenizer<presets::tiny_tatitok_vae>>("tiny_tatitok_vae");
  check_round_trip<Tokenizer<presets::tiny_titok_legacy>>("tiny_titok_legacy");
}

TEST_CASE("a loaded model is saved with its own bits: reference<double>") {
  check_round_trip<Tokenizer<presets::tiny_tatitok_vae, reference<double>>>("tiny_tatitok_vae");
  check_round_trip<Tokenizer<presets::tiny_titok_legacy, reference<double>>>("tiny_titok_legacy");
}

TEST_CASE("unpack: weights with more values than float32 counts") {
  using Layer = Linear<3000, 3001>;  // 9 million: more than a part
  std::vector<float> weight(static_cast<std::size_t>(Layer::weight_size)), again(weight.size());
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = static_cast<float>(i % 1000003) - 5e5F;
  std::vector<float> packed(static_cast<std::size_t>(Layer::packed_size<cpu>()));
  Layer::pack<cpu>(View<const float>(weight), View<float>(packed));
  detail::unpack<cpu, Layer>(packed, again);
  CHECK(again == weight);
}
