// A line of its own for each way in which a model's file can be wrong, and what the doctor says beside it.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cmath>
#include <limits>
#include <map>

#include <nlohmann/json.hpp>

#include <tessera/io/npy.hpp>
#include <tessera/io/safetensors.hpp>

#include "../golden_models.hpp"
#include "run_program.hpp"

using namespace tessera;
using namespace tessera_test;

namespace {

/// A model's float32 tensors in memory, to be changed and written.
struct Tensors {
  struct Tensor {
    std::vector<Index> shape;
    std::vector<float> values;
  };
  std::map<std::string, Tensor> list;

  explicit Tensors(const std::string& model) {
    const SafetensorsFile file(golden(model) / "model.safetensors");
    for (const TensorInfo& info : file.tensors()) {
      std::vector<float> values(file.bytes(info).size() / sizeof(float));
      file.read_float32(info, values);
      list[info.name] = {info.shape, std::move(values)};
    }
  }

  /// integers: the name of one that is stored as integers.
  void write(const std::filesystem::path& path, std::string_view integers = "") const {
    std::vector<TensorToWrite> tensors;
    for (const auto& [name, t] : list) {
      tensors.push_back(tensor_to_write<float>(name, t.shape, t.values));
      if (name == integers) tensors.back().dtype = tensors.back().stored = DType::i32;
    }
    write_safetensors(path, tensors);
  }
};

/// `info` and `encode` of the model fail with one and the same line; returns it.
std::string line_for(const std::filesystem::path& model, const std::string& preset = "") {
  const std::string told = preset.empty() ? "" : " --preset " + preset;
  const Outcome info = run_program("info " + quoted(model) + told);
  const Outcome encode =
      run_program("encode --model " + quoted(model) + told + " " + quoted(golden("photos") / "coffee.png"));
  for (const Outcome& outcome : {info, encode}) {
    CAPTURE(outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.one_line_error());
    CHECK(outcome.out.empty());
  }
  CHECK(info.err == encode.err);
  return info.err;
}

}  // namespace

TEST_CASE("program: each wrong model file has a line of its own") {
  const TemporaryFolder folder;
  const auto file = folder / "model.safetensors";
  const auto with = [&](auto change) {
    Tensors tensors("tiny_titok_legacy");
    change(tensors.list);
    tensors.write(file);
    return line_for(folder.path());
  };
  CHECK(contains(
      with([](auto& t) { t.erase("quantize.embedding.weight"); }),
      "6 tokens, no codes of dimension 12: no 'quantize.embedding.weight' [48, 12], expected the nearest preset, "
      "tiny_titok_legacy: a titok legacy model"));
  CHECK(contains(with([](auto& t) { t["extra.weight"] = {{2}, {1, 2}}; }), "found unknown 'extra.weight' [2]"));
  CHECK(contains(with([](auto& t) {
                   t["latent_tokens"] = {{3}, {1, 2, 3}};
                 }),
                 "'latent_tokens' of shape [3] instead of [6, 32]"));
  CHECK(contains(with([](auto& t) { t.erase("encoder.positional_embedding"); }),
                 "found a titok legacy model, ? x ? images, patches of 8, "));
  Tensors integers("tiny_titok_legacy");
  integers.write(file, "encoder.conv_out.bias");
  CHECK(contains(line_for(folder.path()), "'encoder.conv_out.bias' of I32 instead of F32, F16, BF16 or F64"));
  // Legacy weights in another preset, and the other way round.
  CHECK(contains(line_for(golden("tiny_titok_legacy"), "tiny_titok_cosine"),
                 "found a titok legacy model, 32 x 32 images"));
  const std::string reverse = line_for(golden("tiny_titok_cosine"), "tiny_titok_legacy");
  CHECK(contains(reverse, "found a titok model, 32 x 32 images"));
  CHECK(contains(reverse, "'decoder.ffn.2.weight' [64, 96, 1, 1]"));
  CHECK(contains(reverse, ", expected a titok legacy model"));
  // Another variant of the same family.
  CHECK(contains(line_for(golden("tiny_titok_vae"), "tiny_tatitok_vq"), "6 tokens, continuous of dimension 12: no "));
  CHECK(contains(line_for(golden("one_token"), "odd_latent"), "found a latent model, 24 x 24 images"));
  // Cut off, of another format, not there.
  const std::string bytes = read_bytes(golden("tiny_titok_legacy") / "model.safetensors");
  write_bytes(file, bytes.substr(0, bytes.size() - 1000));
  CHECK(contains(line_for(folder.path()), "at most the file's"));
  write_bytes(file, std::string("PK\x03\x04\0\0\x08\x08", 8) + bytes.substr(9, 1000));
  CHECK(contains(line_for(file), "found a PyTorch pickle"));
  write_bytes(file, "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n");
  CHECK(contains(line_for(folder.path()), "found a Git LFS pointer, not the file itself (run git lfs pull), expected"));
  write_bytes(file, "<!DOCTYPE html>\n<html>" + std::string(100, ' '));
  CHECK(contains(line_for(folder.path()), "found an HTML page, expected a safetensors file"));
  std::filesystem::remove(file);
  CHECK(contains(line_for(folder.path()), "found no model.safetensors"));
}

TEST_CASE("program: a model that declares no config and fits none has a short line") {
  const TemporaryFolder folder;
  Tensors tensors("tiny_titok_legacy");
  tensors.list.clear();
  for (int i = 0; i < 500; ++i) {
    tensors.list["blocks." + std::to_string(i) + ".weight"] = {{1}, {1}};
  }
  tensors.write(folder / "model.safetensors");
  const std::string line = line_for(folder.path());
  CHECK(contains(line, "found the tensors of something else: no '"));
  CHECK(contains(line, " more, expected the nearest preset, "));
  CHECK(line.size() < 350);
}

TEST_CASE("program: a name or an argument without end has a line that ends") {
  const TemporaryFolder folder;
  Tensors tensors("tiny_titok_legacy");
  tensors.list["x" + std::string(300'000, 'y')] = {{1}, {1}};
  tensors.write(folder / "model.safetensors");
  CHECK(line_for(folder.path()).size() < 1500);
  const Outcome outcome = run_program("encode --model " + std::string(100'000, 'm') + " x.png");
  CHECK(outcome.code == 1);
  CHECK(outcome.one_line_error());
  CHECK(outcome.err.size() < 1500);
  const Outcome usage = run_program("encode --" + std::string(100'000, 'o'));
  CHECK(usage.code == 2);
  CHECK(usage.err.size() < 2100);
}

TEST_CASE("program: a published config.json that its weights contradict") {
  const TemporaryFolder folder;
  std::filesystem::copy_file(golden("tiny_titok_legacy") / "model.safetensors", folder / "model.safetensors");
  const auto with_config = [&](const nlohmann::json& vq_model) {
    const nlohmann::json json{{"model", {{"vq_model", vq_model}}},
                              {"dataset", {{"preprocessing", {{"crop_size", 32}}}}}};
    write_bytes(folder / "config.json", json.dump());
  };
  with_config({{"codebook_size", 48}, {"token_size", 12}, {"use_l2_norm", true}, {"num_latent_tokens", 6}});
  CHECK(run_program("info " + quoted(folder.path())).code == 0);
  with_config({{"is_legacy", false}, {"finetune_decoder", false}, {"use_l2_norm", true}, {"num_latent_tokens", 6}});
  CHECK(contains(line_for(folder.path()), "found a titok legacy model"));
  CHECK(contains(line_for(folder.path(), "tiny_titok_legacy"),
                 "config.json: found is_legacy false instead of true, finetune_decoder false instead of true"));
  Tensors fewer("tiny_titok_legacy");
  fewer.list.erase("encoder.ln_post.bias");
  fewer.write(folder / "model.safetensors");
  const std::string line = line_for(folder.path(), "tiny_titok_legacy");
  CAPTURE(line);
  CHECK(contains(line, "config.json: found is_legacy false instead of true, finetune_decoder false instead of true"));
}

TEST_CASE("program: values that are not finite are counted by info, and keep a model from loading") {
  const TemporaryFolder folder;
  Tensors tensors("tiny_patch");
  tensors.list["encoder.ln_post.bias"].values[3] = std::nanf("");
  for (const std::size_t i : {0, 5}) {
    tensors.list["decoder.conv_out.weight"].values[i] = std::numeric_limits<float>::infinity();
  }
  tensors.write(folder / "model.safetensors");
  const Outcome info = run_program("info --json " + quoted(folder.path()));
  CHECK(info.code == 1);
  CHECK(info.one_line_error());
  CHECK(contains(info.err, "NaN or infinity in 'encoder.ln_post.bias' (1), 'decoder.conv_out.weight' (2)"));
  const auto json = nlohmann::json::parse(info.out);
  CHECK(json.at("not_finite").at("decoder.conv_out.weight") == 2);
  // What would load it says the same.
  const Outcome all =
      run_program("info --json --verify --images " + quoted(golden("photos")) + " -- " + quoted(folder.path()));
  CHECK(all.err == info.err);
  CHECK(nlohmann::json::parse(all.out).at("not_finite") == json.at("not_finite"));
  CHECK(json.at("preset") == "tiny_patch");
  const Outcome encode =
      run_program("encode --model " + quoted(folder.path()) + " " + quoted(golden("photos") / "coffee.png"));
  CHECK(encode.code == 1);
  CHECK(contains(encode.err, "'encoder.ln_post.bias': found NaN at element 3, expected finite weights"));
}

TEST_CASE("program: info --json lists all that does not fit") {
  const Outcome info = run_program("info --json --preset tiny_titok_legacy " + quoted(golden("tiny_titok_cosine")));
  CHECK(info.code == 1);
  CHECK(info.one_line_error());
  const auto json = nlohmann::json::parse(info.out);
  CHECK(json.at("missing").size() > 50);
  CHECK(json.at("misshapen").size() == 2);
  CHECK(json.at("unknown").size() == 2);
  CHECK(json.at("preset") == "tiny_titok_legacy");
  CHECK(info.err == "tessera: " + json.at("error").get<std::string>() + "\n");
  const TemporaryFolder folder;
  write_bytes(folder / "model.safetensors", "short");
  const auto broken = nlohmann::json::parse(run_program("info --json " + quoted(folder.path())).out);
  CHECK(contains(broken.at("error").get<std::string>(), "model.safetensors"));
}

TEST_CASE("program: numbers that are not finite do not become tokens or pictures") {
  const TemporaryFolder out;
  const auto poisoned = [&](const std::filesystem::path& from, const char* name, float value) {
    const NpyFile file(from);
    std::vector<float> values(file.values<float>().begin(), file.values<float>().end());
    values[values.size() - 1] = value;  // of the last image
    write_npy<float>(out / name, file.shape(), View<const float>(values));
    return quoted(out / name);
  };
  const auto vae = golden("tiny_titok_vae"), text_aware = golden("tiny_tatitok_vq");
  REQUIRE(run_program("encode --model " + quoted(vae) + " " + quoted(vae / "input.npy") + " -o " +
                      quoted(out / "latents.npy"))
              .code == 0);
  const std::string latents = poisoned(out / "latents.npy", "nan.npy", std::nanf(""));
  const std::string text = poisoned(text_aware / "text.npy", "text.npy", std::numeric_limits<float>::infinity());
  Tensors tensors("tiny_titok_vq");
  for (auto& [name, tensor] : tensors.list) {
    for (float& x : tensor.values) x *= 1e20F;
  }
  std::filesystem::create_directory(out / "huge");
  tensors.write(out / "huge/model.safetensors");
  const std::string huge = " --preset tiny_titok_vq --model " + quoted(out / "huge") + " ";
  const std::string to = " -o " + quoted(out / "out.npy"), golden_vq = quoted(golden("tiny_titok_vq") / "tokens.npy");
  const struct {
    std::string arguments, says;
  } cases[] = {
      {"decode --model " + quoted(vae) + " " + latents + to, "nan.npy: found NaN in image 7, expected finite numbers"},
      {"decode --model " + quoted(text_aware) + " --text " + text + " " + quoted(text_aware / "tokens.npy") + to,
       "text.npy: found infinity in image 7"},
      {"encode" + huge + quoted(golden("tiny_titok_vq") / "input.npy") + to, "huge, distances of codes: found NaN"},
      {"decode" + huge + golden_vq + to, "huge, decoding: found NaN in image 0"},
  };
  for (const auto& wrong : cases) {
    CAPTURE(wrong.arguments);
    const Outcome outcome = run_program(wrong.arguments);
    CAPTURE(outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.one_line_error());
    CHECK(contains(outcome.err, wrong.says));
    CHECK_FALSE(std::filesystem::exists(out / "out.npy"));
  }
}

TEST_CASE("program: a pipe is no file") {
  const TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "model.safetensors").c_str(), 0600) == 0);
  const Outcome outcome = run_program("info " + quoted(folder / "model.safetensors"), "timeout 20");
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.err, "found not a regular file"));
}

TEST_CASE("program: info says what the codebook and the rest of the file are") {
  const TemporaryFolder folder;
  Tensors tensors("tiny_titok_cosine");
  auto& codes = tensors.list["quantize.embedding.weight"].values;
  std::copy_n(codes.begin(), 12, codes.begin() + 5 * 12);
  std::fill_n(codes.begin() + 7 * 12, 12, 0.0F);
  for (const std::string name : {"encoder.ln_pre.weight", "latent_tokens"}) {
    tensors.list["ema_model." + name] = tensors.list[name];
  }
  tensors.list["optimizer.step"] = {{1}, {7}};
  tensors.write(folder / "model.safetensors");
  const Outcome info = run_program("info --json --preset tiny_titok_cosine --images " + quoted(golden("photos")) + " " +
                                   quoted(folder.path()));
  REQUIRE_MESSAGE(info.code == 0, info.err);
  const auto json = nlohmann::json::parse(info.out);
  CHECK(json.at("codebook").at("duplicates") == 1);
  CHECK(json.at("codebook").at("dead") == 1);
  CHECK(json.at("codebook").at("use").at("images") == 3);
  CHECK(json.at("codebook").at("use").at("used").get<int>() + json.at("codebook").at("use").at("unused").get<int>() ==
        48);
  CHECK(json.at("extras") == nlohmann::json{{"averaged_weights", 2}, {"optimizer_state", 1}});
  CHECK(json.at("self_check").at("state") == "nothing");
}

TEST_CASE("program: info --verify encodes a saved model's image again") {
  const TemporaryFolder folder;
  REQUIRE(run_program("train --preset one_token --steps 1 --sample-every 0 --data " +
                      quoted(golden("one_token") / "input.npy") + " -o " + quoted(folder / "run"))
              .code == 0);
  const auto model = folder / "run/model.safetensors";
  const Outcome passed = run_program("info --verify " + quoted(model));
  CHECK(passed.code == 0);
  CHECK(contains(passed.out, "self-check  passed"));
  // The same file with another token for its image.
  std::string bytes = read_bytes(model);
  const std::size_t at = bytes.find("\\\"ids\\\":[") + 9;
  REQUIRE(at < bytes.size());
  bytes[at] = bytes[at] == '0' ? '1' : '0';
  write_bytes(model, bytes);
  const Outcome failed = run_program("info --verify " + quoted(model));
  CHECK(failed.code == 1);
  CHECK(failed.one_line_error());
  CHECK(contains(failed.err, "found other tokens for the image that it carries (1 differ)"));
  CHECK(contains(failed.out, "self-check  FAILED"));
  CHECK(run_program("info " + quoted(model)).code == 0);
  bytes[at] = 'x';
  write_bytes(model, bytes);
  const Outcome broken = run_program("info --verify " + quoted(model));
  CHECK(broken.code == 1);
  CHECK(contains(broken.err, "of tessera.check, expected a check of this model"));
  CHECK(contains(broken.out, "self-check  BROKEN"));
  CHECK(run_program("info " + quoted(model)).code == 0);
  CHECK(run_program("encode --model " + quoted(model) + " " + quoted(golden("photos"))).code == 0);
  const auto demo = std::filesystem::path(TESSERA_TEST_DATA) / "../examples/models/demo.safetensors";
  CHECK(run_program("info --verify " + quoted(demo)).code == 0);
  const Outcome none = run_program("info --verify " + quoted(golden("one_token")));
  CHECK(none.code == 1);
  CHECK(contains(none.err, "found no image to check"));
}
