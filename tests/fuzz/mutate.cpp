// Mutated files for the readers of tensors, models and tokens (fuzz/mutate.hpp).
#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <tessera/io/checkpoint.hpp>
#include <tessera/io/model_file.hpp>
#include <tessera/io/npy.hpp>
#include <tessera/io/safetensors.hpp>
#include <tessera/io/tokens.hpp>
#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>
#include <tessera/trainer.hpp>

#include <files.hpp>
#include <fuzz/mutate.hpp>

namespace {

using namespace tessera_test;
using tessera::Index;

/// Keeps a safetensors file's length field right, so that the changes reach the header's rules.
void mutate_safetensors(Random& random, std::string& bytes) {
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  std::string header = bytes.substr(8, length), data = bytes.substr(8 + length);
  mutate_bytes(random, random.below(8) == 0 ? data : header);
  length = header.size();
  bytes.replace(0, std::string::npos, reinterpret_cast<const char*>(&length), 8);
  bytes += header + data;
}

/// The same for .npy files of version 1.
void mutate_npy(Random& random, std::string& bytes) {
  const std::size_t length = static_cast<std::uint8_t>(bytes[8]) + 256u * static_cast<std::uint8_t>(bytes[9]);
  std::string header = bytes.substr(10, length);
  mutate_bytes(random, header);
  const std::string data = bytes.substr(10 + length);
  bytes.resize(8);
  bytes += static_cast<char>(header.size());
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header + data;
}

Seeds safetensors_seeds() {
  const TemporaryFolder folder;
  const auto path = folder / "seed";
  std::vector<float> weights(24);
  std::iota(weights.begin(), weights.end(), -3.5f);
  const std::vector<std::int64_t> step = {1234};
  std::vector<tessera::TensorToWrite> tensors = {tessera::tensor_to_write<float>("encoder.weight", {4, 6}, weights),
                                                 tessera::tensor_to_write<float>("encoder.bias", {24}, weights),
                                                 tessera::tensor_to_write<std::int64_t>("step", {1}, step)};
  Seeds seeds;
  tessera::write_safetensors(path, tensors, {{"format", "pt"}, {"config", "{\"image\": [32, 32]}"}});
  seeds.push_back(read_bytes(path));
  tensors[0].stored = tessera::DType::f16;
  tessera::write_safetensors(path, {tensors.data(), 1});
  seeds.push_back(read_bytes(path));
  tessera::write_safetensors(path, {}, {});
  seeds.push_back(read_bytes(path));
  return seeds;
}

Seeds npy_seeds() {
  const TemporaryFolder folder;
  const auto path = folder / "seed";
  Seeds seeds;
  const auto add = [&]<class T>(const std::vector<Index>& shape, const std::vector<T>& values) {
    tessera::write_npy<T>(path, shape, values);
    seeds.push_back(read_bytes(path));
  };
  add({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  add({1, 2, 2, 1}, std::vector<std::uint8_t>{1, 2, 3, 4});
  add({4}, std::vector<std::int64_t>{1, 2, 3, 4});
  add({}, std::vector<double>{0.5});
  return seeds;
}

Seeds token_npy_seeds() {
  const TemporaryFolder folder;
  const std::vector<std::int32_t> ids{1, 2, 3, 4, 5, 6};
  const std::vector<std::int64_t> wide{9, 8, 7};
  const std::vector<std::uint8_t> bytes{1, 2, 3};
  const std::vector<std::uint16_t> words{1, 2, 3};
  const Index two[] = {2, 3}, one[] = {1, 3}, flat[] = {3};
  tessera::write_npy<std::int32_t>(folder / "a", two, ids);
  tessera::write_npy<std::int64_t>(folder / "b", one, wide);
  tessera::write_npy<std::uint8_t>(folder / "c", flat, bytes);
  tessera::write_npy<std::uint16_t>(folder / "d", one, words);
  return {read_bytes(folder / "a"), read_bytes(folder / "b"), read_bytes(folder / "c"), read_bytes(folder / "d")};
}

}  // namespace

TEST_CASE("mutated safetensors files") {
  run(safetensors_seeds(), mutate_safetensors, [](const std::filesystem::path& path) {
    const tessera::SafetensorsFile file(path);
    for (const tessera::TensorInfo& tensor : file.tensors()) {
      std::vector<std::byte> bytes(file.bytes(tensor).begin(), file.bytes(tensor).end());
      if (tensor.dtype != tessera::DType::f32 && tensor.dtype != tessera::DType::f16) continue;
      std::vector<float> values(bytes.size() / static_cast<std::size_t>(tessera::byte_size(tensor.dtype)));
      file.read_float32(tensor, values);
    }
  });
}

TEST_CASE("mutated npy files") {
  run(npy_seeds(), mutate_npy, [](const std::filesystem::path& path) {
    const tessera::NpyFile file(path);
    std::vector<std::byte> bytes(file.bytes().begin(), file.bytes().end());
    if (file.dtype() != tessera::DType::f32) return;
    const auto values = file.values<float>();
    REQUIRE(values.size_bytes() == bytes.size());
  });
}

TEST_CASE("mutated token files") {
  const auto read = [](const std::filesystem::path& path) {
    const tessera::TokenTable table = tessera::read_tokens(path, 3, 10);
    REQUIRE(table.tokens.size() == static_cast<std::size_t>(3 * table.images()));
    for (const tessera::Token id : table.tokens) REQUIRE((id >= 0 && id < 10));
  };
  run({"0 7 9\n1 2 3\n", "1,2,3\r\n\r\n4 5 6",
       "\xef\xbb\xbf"
       "1 2 3"},
      mutate_bytes, read, "tokens.txt");
  run({"{\"file\":\"a.png\",\"tokens\":[0,7,9]}\n{\"file\":\"b.png\",\"tokens\":[1,2,3]}\n", "{\"tokens\": [1, 2, 3]}"},
      mutate_bytes, read, "tokens.jsonl");
  run(token_npy_seeds(), mutate_npy, read, "tokens.npy");
}

TEST_CASE("mutated config.json files") {
  const auto save = [](const std::filesystem::path& folder) {
    const std::vector<float> weights(4);
    const auto tensor = tessera::tensor_to_write<float>("encoder.ln_pre.weight", {4}, weights);
    tessera::write_safetensors(folder / "model.safetensors", {&tensor, 1});
  };
  const auto read = [](const std::filesystem::path& path) {
    const tessera::WeightFile file(path.parent_path());
    for (const tessera::Config& config : {tessera::presets::titok_b64, tessera::presets::tatitok_bl64_vae}) {
      for (const std::string& line : differences(stated_config(file), config)) REQUIRE(line.size() < 10000);
    }
  };
  run({tessera::to_json_text(tessera::presets::tiny_titok_legacy),
       R"({"model": {"vq_model": {"codebook_size": 4096, "token_size": 12, "use_l2_norm": true,
           "vit_enc_model_size": "base", "vit_dec_model_size": "base", "vit_enc_patch_size": 16, "num_latent_tokens": 64,
           "quantize_mode": "vq", "is_legacy": false}}, "dataset": {"preprocessing": {"crop_size": 256}}})"},
      mutate_bytes, read, "config.json", save);
}

TEST_CASE("mutated shard indexes") {
  const auto save = [](const std::filesystem::path& folder) {
    const std::vector<float> weights(4);
    for (const char* name : {"a", "b"}) {
      const auto tensor = tessera::tensor_to_write<float>(name, {4}, weights);
      tessera::write_safetensors(folder / (std::string(name) + ".safetensors"), {&tensor, 1});
    }
  };
  run(
      {R"({"metadata": {"total_size": 32}, "weight_map": {"a": "a.safetensors", "b": "b.safetensors"}})"}, mutate_bytes,
      [](const std::filesystem::path& path) {
        const tessera::WeightFile file(path);
        REQUIRE(!file.tensors().empty());
      },
      "model.safetensors.index.json", save);
}

TEST_CASE_TEMPLATE("mutated model files", T, tessera::Tokenizer<tessera::presets::one_token>,
                   tessera::Tokenizer<tessera::presets::tiny_titok_vq>) {
  static constexpr tessera::Config config = T::configuration;
  using Table = tessera::ParameterTable<config>;
  const TemporaryFolder folder;
  T::random(1).save(folder / "seed");
  std::vector<float> buffer(static_cast<std::size_t>(Table::size));
  run({read_bytes(folder / "seed")}, mutate_safetensors,
      [&](const std::filesystem::path& path) { load_parameters(path, config, Table::parameters(), buffer); });
}

TEST_CASE("mutated self-checks") {
  static constexpr tessera::Config config = tessera::presets::one_token;
  run({to_json_text(tessera::Tokenizer<config>::random(1).self_check())}, mutate_bytes,
      [](const std::filesystem::path& path) {
        const tessera::SelfCheck check = tessera::self_check_from_json_text(read_bytes(path), path.string(), config);
        REQUIRE(check.image.values.size() == 24 * 24 * 3);
        REQUIRE(check.ids.size() == 1);
        REQUIRE((check.ids[0] >= 0 && check.ids[0] < 3));
      });
}

TEST_CASE("mutated checkpoints") {
  const tessera::TrainOptions options{.batch_size = 1, .ema_decay = 0.5};
  tessera::Trainer<tessera::presets::one_token> trainer(options);
  const TemporaryFolder folder;
  trainer.save_checkpoint(folder / "seed");
  run({read_bytes(folder / "seed")}, mutate_safetensors,
      [&](const std::filesystem::path& path) { trainer.resume(path); });
}
