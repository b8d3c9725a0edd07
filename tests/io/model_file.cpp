// What loads as a model, and the line that each wrong file gets.
#include <tessera/io/model_file.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <files.hpp>
#include <functional>
#include <limits>
#include <map>

#include <tessera/core/buffer.hpp>
#include <tessera/core/half.hpp>
#include <tessera/core/random.hpp>
#include <tessera/model.hpp>
#include <tessera/presets.hpp>

using namespace tessera;
using namespace tessera_test;

namespace {

constexpr Config config = presets::tiny_titok_cosine;
using Table = ParameterTable<config>;

/// A tensor of its own values; `bytes` in place of `values` for types other than float32.
struct Tensor {
  std::vector<Index> shape;
  std::vector<float> values{};
  DType dtype = DType::f32;
  std::vector<std::uint8_t> bytes{};
};
using Tensors = std::map<std::string, Tensor>;

Tensors random_model() {
  Tensors tensors;
  Random random(3);
  for (const Parameter& p : Table::parameters()) {
    Tensor& tensor = tensors[p.name];
    tensor.shape = p.dims.to_vector();
    for (Index i = 0; i < p.dims.count(); ++i) tensor.values.push_back(static_cast<float>(random.normal()));
  }
  return tensors;
}

void write(const std::filesystem::path& path, const Tensors& tensors,
           const std::map<std::string, std::string>& metadata = {}) {
  std::vector<TensorToWrite> list;
  for (const auto& [name, tensor] : tensors) {
    const auto bytes = tensor.dtype == DType::f32 ? std::as_bytes(View<const float>(tensor.values))
                                                  : std::as_bytes(View<const std::uint8_t>(tensor.bytes));
    list.push_back({name, tensor.dtype, tensor.shape, bytes});
  }
  write_safetensors(path, list, metadata);
}

std::vector<float> load(const std::filesystem::path& path) {
  AlignedBuffer<float> buffer(Table::size);
  load_parameters(path, config, Table::parameters(), buffer.view());
  return {buffer.data(), buffer.data() + buffer.size()};
}

/// What a model file of these tensors loads as.
std::vector<float> loaded(const Tensors& tensors) {
  const TemporaryFolder folder;
  write(folder / "model.safetensors", tensors);
  return load(folder.path());
}

/// The line for random_model(), changed.
std::string line_for(const std::function<void(Tensors&)>& change) {
  Tensors tensors = random_model();
  change(tensors);
  return error_line([&] { loaded(tensors); });
}

Tensors renamed(const Tensors& tensors, const std::string& prefix) {
  Tensors result;
  for (const auto& [name, tensor] : tensors) result[prefix + name] = tensor;
  return result;
}

const std::string expected_model =
    ", expected a titok model, 32 x 32 images, patches of 8, encoder 2 x 32, decoder 2 x "
    "48, 6 tokens, 48 codes of dimension 12";

}  // namespace

TEST_CASE("model file: float32, float16, bfloat16 and float64 weights") {
  const Tensors tensors = random_model();
  const std::vector<float> expected = loaded(tensors);
  for (const DType dtype : {DType::f16, DType::bf16, DType::f64}) {
    CAPTURE(name_of(dtype));
    Tensors stored = tensors;
    for (auto& named : stored) {
      Tensor& tensor = named.second;
      tensor.dtype = dtype;
      const auto put = [&](auto value) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
        tensor.bytes.insert(tensor.bytes.end(), bytes, bytes + sizeof value);
      };
      for (const float x : tensor.values) {
        if (dtype == DType::f64) put(static_cast<double>(x));
        if (dtype == DType::f16) put(float_to_half(x));
        if (dtype == DType::bf16) put(static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16));
      }
    }
    const std::vector<float> found = loaded(stored);
    REQUIRE(found.size() == expected.size());
    const double tolerance = dtype == DType::f64 ? 0 : dtype == DType::f16 ? 0x1p-11 : 0x1p-7;
    for (std::size_t i = 0; i < found.size(); ++i) {
      REQUIRE(std::fabs(found[i] - expected[i]) <= tolerance * std::fabs(expected[i]) + 1e-7 * (tolerance > 0));
    }
  }
}

TEST_CASE("model file: shards with an index") {
  const TemporaryFolder folder;
  const Tensors tensors = random_model();
  Tensors shards[2];
  nlohmann::json map;
  const char* const names[] = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"};
  std::size_t i = 0;
  for (const auto& [name, tensor] : tensors) {
    shards[i % 2][name] = tensor;
    map[name] = names[i % 2];
    ++i;
  }
  write(folder / names[0], shards[0]);
  write(folder / names[1], shards[1]);
  const auto index = folder / "model.safetensors.index.json";
  const auto line_with = [&](const nlohmann::json& json) {
    write_bytes(index, json.dump());
    return error_line([&] { load(folder.path()); });
  };
  REQUIRE(line_with({{"metadata", {{"total_size", 1}}}, {"weight_map", map}}) == "");
  CHECK(load(folder.path()) == loaded(tensors));
  CHECK(load(index) == loaded(tensors));
  const auto with = [&](const char* tensor, const nlohmann::json& shard) {
    nlohmann::json wrong = map;
    wrong[tensor] = shard;
    return line_with({{"weight_map", wrong}});
  };
  CHECK(contains(with("latent_tokens", "model-00003-of-00003.safetensors"),
                 "model-00003-of-00003.safetensors: found No"));
  CHECK(contains(with("latent_tokens", "../model.safetensors"), "'latent_tokens' in shard '../model.safetensors'"));
  CHECK(contains(with("latent_tokens", ".."), "in shard '..'"));
  CHECK(contains(with("latent_tokens", 3), "'latent_tokens' in shard that is no string"));
  CHECK(contains(with("more", names[1]), "model-00002-of-00002.safetensors: found no 'more'"));
  CHECK(contains(line_with({{"metadata", 1}}), "index.json: found no \"weight_map\""));
  CHECK(contains(line_with(nlohmann::json::array()), "index.json: found no \"weight_map\""));
  shards[1].insert(*shards[0].begin());
  write(folder / names[1], shards[1]);
  CHECK(contains(line_with({{"weight_map", map}}), "which another shard holds too"));
  std::filesystem::remove(folder / names[1]);
  CHECK(contains(line_with({{"weight_map", map}}), "model-00002-of-00002.safetensors: found No such file"));
}

TEST_CASE("model file: aliases, statistics, averages and optimizer state stand beside the weights") {
  const Tensors tensors = random_model();
  const std::vector<float> expected = loaded(tensors);
  Tensors more = tensors;
  more["encoder.model.0.weight"] = tensors.at("encoder.ln_pre.weight");
  more["decoder.model.3.bias"] = tensors.at("decoder.ln_pre.bias");
  more["quantize.embed_prob"] = {{48}, std::vector<float>(48)};
  more["optimizer.state.0.exp_avg"] = {{2}, {1, 2}};
  more["global_step"] = {{}, {}, DType::i64, std::vector<std::uint8_t>(8)};
  for (const auto& [name, tensor] : tensors) {
    more["ema_model." + name] = {tensor.shape, std::vector<float>(tensor.values.size())};
  }
  CHECK(loaded(more) == expected);
  const auto role = [&](const Tensors& file, const std::string& name) {
    const TemporaryFolder folder;
    write(folder / "x.safetensors", file);
    return TensorNames(WeightFile(folder / "x.safetensors")).role(name);
  };
  CHECK(role(more, "encoder.ln_pre.weight") == TensorRole::weight);
  CHECK(role(more, "encoder.model.0.weight") == TensorRole::alias);
  CHECK(role(more, "ema_model.latent_tokens") == TensorRole::averaged);
  CHECK(role(more, "optimizer.state.0.exp_avg") == TensorRole::optimizer);
  CHECK(role(more, "quantize.embed_prob") == TensorRole::statistics);
  CHECK(role(more, "step") == TensorRole::optimizer);
  CHECK(role(more, "step_embedding.weight") == TensorRole::weight);  // which nobody knows
  CHECK(role(more, "codebook.proj.weight") == TensorRole::weight);
}

TEST_CASE("model file: weights under a prefix, and averages where there is nothing else") {
  const Tensors tensors = random_model();
  const std::vector<float> expected = loaded(tensors);
  for (const char* prefix : {"module.", "model.", "ema_model.", "ema.", "_orig_mod.module."}) {
    CAPTURE(prefix);
    CHECK(loaded(renamed(tensors, prefix)) == expected);
  }
  Tensors zeros = tensors;
  for (auto& [name, tensor] : zeros) std::ranges::fill(tensor.values, 0.0F);
  Tensors both = renamed(tensors, "module.");
  both.merge(renamed(zeros, "ema."));
  CHECK(loaded(both) == expected);
  both = renamed(tensors, "module.");
  both.merge(renamed(zeros, "module.ema_model."));
  CHECK(loaded(both) == expected);
  both = tensors;
  both.merge(renamed(zeros, "model.ema."));
  CHECK(loaded(both) == expected);
  both = renamed(tensors, "module.");
  both["module.encoder.model.0.weight"] = tensors.at("encoder.ln_pre.weight");
  CHECK(loaded(both) == expected);
  both["encoder.conv_out.bias"] = tensors.at("encoder.conv_out.bias");
  CHECK(contains(error_line([&] { loaded(both); }), "found unknown 'encoder.conv_out.bias' [12]"));
}

TEST_CASE("model file: what does not fit is in one line, the first of it and how much more there is") {
  const std::string line = line_for([](Tensors& t) {
    t.erase("latent_tokens");
    t.erase("decoder.ln_post.bias");
    t["encoder.ln_pre.bias"] = {{2, 16}, std::vector<float>(32)};
    t["encoder.conv_out.bias"] = {{12}, {}, DType::i32, std::vector<std::uint8_t>(48)};
    t["head.weight"] = {{3}, {1, 2, 3}};
    t["a\nb"] = {{1}, {1}};
  });

  CHECK(contains(line,
                 "model.safetensors: found no 'decoder.ln_post.bias' [48], 'latent_tokens' [6, 32]; "
                 "'encoder.ln_pre.bias' of shape [2, 16] instead of [32]; 'encoder.conv_out.bias' of I32 instead of "
                 "F32, F16, BF16 or F64 and 2 more"));
  CHECK(contains(line, expected_model));
  // However many there are.
  const std::string long_line = line_for([](Tensors& t) {
    t.clear();
    for (int i = 0; i < 1000; ++i) t["layer." + std::to_string(i)] = {{1}, {1}};
  });
  CHECK(contains(long_line, "found the tensors of something else: no 'encoder.patch_embed.weight'"));
  CHECK(contains(long_line, " more, expected "));
  CHECK(long_line.size() < 400);
  const std::string long_name = line_for([](Tensors& t) { t["head." + std::string(300'000, 'x')] = {{1}, {1}}; });
  CHECK(contains(long_name, "found unknown 'head.xxx"));
  CHECK(long_name.size() < 400);
}

TEST_CASE("model file: data that is not aligned loads too") {
  const TemporaryFolder folder;
  write(folder / "a", random_model());
  std::string bytes = read_bytes(folder / "a");
  std::uint64_t header;
  std::memcpy(&header, bytes.data(), sizeof header);
  bytes.insert(sizeof header + header, " ");
  ++header;
  std::memcpy(bytes.data(), &header, sizeof header);
  write_bytes(folder / "b", bytes);
  CHECK(load(folder / "b") == load(folder / "a"));
}

TEST_CASE("model file: each wrong file has a line of its own") {
  CHECK(contains(
      line_for([](Tensors& t) { t.erase("quantize.embedding.weight"); }),
      "found a titok model, 32 x 32 images, patches of 8, encoder 2 x 32, decoder 2 x 48, 6 tokens, no codes of "
      "dimension 12: no 'quantize.embedding.weight' [48, 12]" +
          expected_model));
  CHECK(contains(line_for([](Tensors& t) {
                   t["discriminator.weight"] = {{1}, {1}};
                 }),
                 "model.safetensors: found unknown 'discriminator.weight' [1]" + expected_model));
  CHECK(contains(line_for([](Tensors& t) { t["decoder.conv_out.bias"].values[1] = std::nanf(""); }),
                 "model.safetensors: 'decoder.conv_out.bias': found NaN at element 1, expected finite weights"));
  constexpr float infinity = std::numeric_limits<float>::infinity();
  CHECK(contains(line_for([](Tensors& t) { t["latent_tokens"].values[191] = -infinity; }),
                 "'latent_tokens': found infinity at element 191, expected finite weights"));
  const auto integers = [](Tensors& t) {
    for (auto& [name, tensor] : t) {
      tensor.dtype = DType::u8;
      tensor.bytes.resize(tensor.values.size());
    }
  };
  CHECK(contains(line_for(integers), "of U8 instead of F32, F16, BF16 or F64"));
  // Another variant: what it is, and what was asked for.
  const TemporaryFolder folder;
  const AlignedBuffer<float> zeros(ParameterTable<presets::odd_latent>::size);
  const std::optional<SelfCheck> none;  // named: g++ 12 -O1 warns of the default argument
  save_parameters(folder / "model.safetensors", presets::odd_latent, ParameterTable<presets::odd_latent>::parameters(),
                  zeros.view(), none);
  const std::string line = error_line([&] { load(folder / "model.safetensors"); });
  CHECK(contains(line, "model.safetensors: found class_token false instead of true, code_dim 7 instead of 12, "));
  CHECK(contains(line, expected_model));
}

TEST_CASE("model file: golden models of other variants say which they are") {
  const std::filesystem::path golden = std::filesystem::path(TESSERA_TEST_DATA) / "golden";
  CHECK(
      contains(error_line([&] { load(golden / "tiny_patch"); }),
               "found a patch model, 32 x 32 images, patches of 8, encoder 2 x 32, decoder 2 x 48, 16 tokens, 48 codes "
               "of dimension 12: no "));
  CHECK(contains(error_line([&] { load(golden / "odd_latent"); }),
                 "found a latent model, 42 x 42 images, patches of 14"));
}

TEST_CASE("model file: truncated files") {
  const TemporaryFolder folder;
  write(folder / "model.safetensors", random_model());
  const std::string bytes = read_bytes(folder / "model.safetensors");
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{100}, bytes.size() / 2, bytes.size() - 1}) {
    CAPTURE(size);
    write_bytes(folder / "model.safetensors", bytes.substr(0, size));
    const std::string line = error_line([&] { load(folder.path()); });
    CHECK(line.starts_with((folder / "model.safetensors").string()));
  }
}

TEST_CASE("model file: pickles are not read, but how to convert them is said") {
  const TemporaryFolder folder;
  const std::string zip = std::string("PK\x03\x04\0\0\x08\x08", 8) + std::string(100, 'x');
  const std::string old = std::string("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 15) + std::string(100, 'x');
  for (const auto& pickle : {std::pair{"pytorch_model.bin", zip}, {"model.pt", old}, {"x.safetensors", zip}}) {
    const char* const name = pickle.first;
    CAPTURE(name);
    write_bytes(folder / name, pickle.second);
    const std::string line = error_line([&] { load(folder / name); });
    CHECK(line.starts_with((folder / name).string() + ": found a PyTorch pickle"));
    CHECK(contains(line, "convert it: python3 -c"));
  }
  // A folder with nothing else.
  std::filesystem::remove(folder / "x.safetensors");
  CHECK(contains(error_line([&] { load(folder.path()); }), "model.pt: found a PyTorch pickle"));
  const TemporaryFolder empty;
  CHECK(contains(error_line([&] { load(empty.path()); }), "found no model.safetensors, expected a folder with"));
  // With safetensors beside it, the pickle does not matter.
  write(folder / "model.safetensors", random_model());
  CHECK_NOTHROW(load(folder.path()));
}

TEST_CASE("model file: a config.json that cannot be opened is not an absent one") {
  const TemporaryFolder folder;
  write(folder / "model.safetensors", random_model());
  CHECK_NOTHROW(load(folder.path()));
  std::filesystem::create_symlink("config.json", folder / "config.json");  // a link to itself
  CHECK(contains(error_line([&] { load(folder.path()); }), "config.json: found Too many levels of symbolic links"));
  std::filesystem::remove(folder / "config.json");
  std::filesystem::create_directory(folder / "config.json");
  CHECK(contains(error_line([&] { load(folder.path()); }), "config.json: found a folder"));
}
