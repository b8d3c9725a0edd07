#include <tessera/nn/forward_weights.hpp>

#include <backend/tested.hpp>
#include <check/saved_weights.hpp>

using namespace tessera;
using testing::check_round_trip;
using testing::Tested;

TEST_CASE("a loaded model is saved with its own bits") {
  check_round_trip<Tokenizer<presets::odd_latent, Tested>>("odd_latent");
  check_round_trip<Tokenizer<presets::tiny_tatitok_vae, Tested>>("tiny_tatitok_vae");
  check_round_trip<Tokenizer<presets::tiny_titok_legacy, Tested>>("tiny_titok_legacy");
}

TEST_CASE("unpack: weights with more values than float32 counts") {
  using Layer = Linear<3000, 3001>;  // 9 million: more than a part
  std::vector<float> weight(static_cast<std::size_t>(Layer::weight_size)), again(weight.size());
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = static_cast<float>(i % 1000003) - 5e5F;
  Tested::Buffer<float> there(Layer::weight_size), packed(Layer::packed_size<Tested>());
  Tested::upload(weight, there.view());
  Layer::pack<Tested>(View<const float>(there.view()), packed.view());
  detail::unpack<Tested, Layer>(packed.view(), again);
  CHECK(again == weight);
}
