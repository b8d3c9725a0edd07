// The published code's models and images through the command line: the same tokens, and images within 2e-5.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <tessera/core/layout.hpp>
#include <tessera/io/npy.hpp>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "../golden_models.hpp"
#include "run_program.hpp"

using namespace tessera;
using namespace tessera_test;

namespace {

struct Model {
  const char* name;
  bool preset = false;  ///< must be told: tiny_titok_vq and tiny_titok_cosine have the same tensors
  double tolerance = 2e-5;
};
const Model models_of_ids[] = {{"tiny_patch"},          {"tiny_latent"},
                               {"odd_latent"},          {"one_token"},
                               {"tiny_titok_vq", true}, {"tiny_titok_cosine", true},
                               {"tiny_tatitok_vq"},     {"tiny_titok_legacy", false, 5e-5}};

std::string with(const Model& model) {
  return " --model " + quoted(golden(model.name)) + (model.preset ? " --preset " + std::string(model.name) : "") + " ";
}

/// For models whose decoder sees a text.
std::string text_of(const Model& model) {
  const auto text = golden(model.name) / "text.npy";
  return std::filesystem::exists(text) ? " --text " + quoted(text) : "";
}

void check_images(const std::filesystem::path& found, const Model& model) {
  const NpyFile again(found), expected(golden(model.name) / "decoded.npy");
  CHECK(again.shape() == expected.shape());
  CHECK(testing::relative_difference(again.values<float>(), expected.values<float>()) < model.tolerance);
}

std::vector<Token> tokens_of(const NpyFile& file) {
  const auto values = file.values<Token>();
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("program: encode gives the published tokens, decode the published images") {
  for (const Model& model : models_of_ids) {
    CAPTURE(model.name);
    const TemporaryFolder out;
    const std::string with_model = with(model);
    const auto input = golden(model.name) / "input.npy", npy = out / "tokens.npy", jsonl = out / "tokens.jsonl";
    const NpyFile expected(golden(model.name) / "tokens.npy");

    REQUIRE(run_program("encode" + with_model + quoted(input) + " -o " + quoted(npy)).code == 0);
    const NpyFile found(npy);
    CHECK(found.shape() == expected.shape());
    CHECK(tokens_of(found) == tokens_of(expected));

    REQUIRE(run_program("encode --threads 1" + with_model + quoted(input) + " -o " + quoted(jsonl)).code == 0);
    std::istringstream lines(read_bytes(jsonl));
    std::vector<Token> from_lines;
    for (std::string line; std::getline(lines, line);) {
      const auto ids = nlohmann::json::parse(line).at("tokens").get<std::vector<Token>>();
      from_lines.insert(from_lines.end(), ids.begin(), ids.end());
    }
    CHECK(from_lines == tokens_of(expected));

    for (const auto& tokens : {npy, jsonl}) {
      const auto decoded = out / "decoded.npy";
      REQUIRE(run_program("decode" + with_model + quoted(tokens) + text_of(model) + " -o " + quoted(decoded)).code ==
              0);
      check_images(decoded, model);
    }
  }
}

TEST_CASE("program: token arrays of one and two bytes, of one image too, decode as int32 arrays do") {
  const TemporaryFolder out;
  const NpyFile tokens(golden("tiny_patch") / "tokens.npy");
  const std::vector<Token> ids = tokens_of(tokens);
  const std::vector<std::uint8_t> bytes(ids.begin(), ids.end());
  const std::vector<std::uint16_t> words(ids.begin(), ids.begin() + tokens.shape()[1]);
  write_npy<std::uint8_t>(out / "bytes.npy", tokens.shape(), bytes);
  write_npy<std::uint16_t>(out / "words.npy", {&tokens.shape()[1], 1}, words);
  const auto decoded = [&](const std::filesystem::path& file) {
    REQUIRE(run_program("decode --model " + quoted(golden("tiny_patch")) + " " + quoted(file) + " -o " +
                        quoted(out / "decoded.npy"))
                .code == 0);
    const NpyFile images(out / "decoded.npy");
    return std::vector<float>(images.values<float>().begin(), images.values<float>().end());
  };
  const std::vector<float> expected = decoded(golden("tiny_patch") / "tokens.npy");
  CHECK(decoded(out / "bytes.npy") == expected);
  const std::vector<float> one = decoded(out / "words.npy");
  CHECK(one.size() == expected.size() / static_cast<std::size_t>(tokens.shape()[0]));
  CHECK(std::equal(one.begin(), one.end(), expected.begin()));
}

TEST_CASE("program: continuous tokens are the published means, and decode to the published images") {
  for (const Model& model : {Model{"tiny_titok_vae"}, Model{"tiny_tatitok_vae"}}) {
    CAPTURE(model.name);
    const TemporaryFolder out;
    const auto latents = out / "latents.npy", decoded = out / "decoded.npy";
    const std::string encode = "encode" + with(model) + quoted(golden(model.name) / "input.npy");
    REQUIRE(run_program(encode + " -o " + quoted(latents)).code == 0);
    const NpyFile found(latents), posterior(golden(model.name) / "latent.npy");  // mean, then log-variance
    const Index C = posterior.shape()[2] / 2;
    REQUIRE(found.shape() == std::vector<Index>{posterior.shape()[0], posterior.shape()[1], C});
    std::vector<float> means;
    for (std::size_t i = 0; i < posterior.values<float>().size(); ++i) {
      if (static_cast<Index>(i) / C % 2 == 0) means.push_back(posterior.values<float>()[i]);
    }
    CHECK(testing::relative_difference(found.values<float>(), means) < 2e-5);
    REQUIRE(run_program("decode" + with(model) + quoted(latents) + text_of(model) + " -o " + quoted(decoded)).code ==
            0);
    check_images(decoded, model);
  }
}

TEST_CASE("program: continuous tokens are drawn by seed, each image's the same wherever it stands") {
  const TemporaryFolder out;
  const std::string encode = "encode" + with({"tiny_titok_vae"}), photos = quoted(golden("photos")),
                    coffee = quoted(golden("photos") / "coffee.png");
  const auto file = [&](const char* name) { return " -o " + quoted(out / name); };
  REQUIRE(run_program(encode + photos + file("mean.npy")).code == 0);
  REQUIRE(run_program(encode + photos + " --sample 3" + file("a.npy")).code == 0);
  REQUIRE(run_program(encode + photos + " --sample 3 --threads 1" + file("b.npy")).code == 0);
  REQUIRE(run_program(encode + photos + " --sample 4" + file("c.npy")).code == 0);
  CHECK(read_bytes(out / "a.npy") == read_bytes(out / "b.npy"));
  CHECK(read_bytes(out / "a.npy") != read_bytes(out / "c.npy"));
  // Draws are not the mean, but around it.
  const NpyFile mean(out / "mean.npy"), draw(out / "a.npy");
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < draw.values<float>().size(); ++i) {
    const double d = draw.values<float>()[i] - mean.values<float>()[i];
    sum += d;
    squares += d * d;
  }
  const double n = static_cast<double>(draw.values<float>().size());
  CHECK(squares > 0);
  CHECK(std::fabs(sum) < 4 * std::sqrt(squares));
  CHECK(n == 3 * 6 * 12);
}

TEST_CASE("program: a text for each image, or one for all") {
  const Model model{"tiny_tatitok_vq"};
  const TemporaryFolder out;
  const std::string decode = "decode" + with(model) + quoted(golden(model.name) / "tokens.npy") + " -o ";
  const NpyFile texts(golden(model.name) / "text.npy");
  const Index one[] = {7, 20}, values = 7 * 20;
  write_npy<float>(out / "one.npy", one, slice(texts.values<float>(), 2 * values, values));
  REQUIRE(run_program(decode + quoted(out / "all") + text_of(model)).code == 0);
  REQUIRE(run_program(decode + quoted(out / "third") + " --text " + quoted(out / "one.npy")).code == 0);
  CHECK(read_bytes(out / "all/000002.png") == read_bytes(out / "third/000002.png"));
  CHECK(read_bytes(out / "all/000001.png") != read_bytes(out / "third/000001.png"));
  const Outcome reconstructed = run_program("reconstruct" + with(model) + quoted(golden("photos")) + " -o " +
                                            quoted(out / "pairs") + " --text " + quoted(out / "one.npy"));
  CHECK(reconstructed.code == 0);
  CHECK(std::filesystem::exists(out / "pairs/chelsea.png"));
}

TEST_CASE("program: more images than one part holds") {
  const auto model = golden("tiny_tatitok_vq");
  const TemporaryFolder out;
  const Index copies = 17;  // of 8 images; parts are of 64
  const auto repeat = [&]<class T>(const char* name, T) {
    const NpyFile file(model / name);
    std::vector<Index> shape = file.shape();
    std::vector<T> values;
    for (Index i = 0; i < copies; ++i) values.insert(values.end(), file.values<T>().begin(), file.values<T>().end());
    shape[0] *= copies;
    write_npy<T>(out / name, shape, View<const T>(values));
  };
  repeat("input.npy", float{});
  repeat("text.npy", float{});
  repeat("tokens.npy", Token{});
  const std::string told = " --model " + quoted(model) + " ";
  REQUIRE(run_program("encode" + told + quoted(out / "input.npy") + " -o " + quoted(out / "found.npy")).code == 0);
  CHECK(read_bytes(out / "found.npy") == read_bytes(out / "tokens.npy"));
  const std::string decode = "decode" + told + quoted(out / "tokens.npy") + " --text " + quoted(out / "text.npy");
  REQUIRE(run_program(decode + " -o " + quoted(out / "decoded.npy")).code == 0);
  const NpyFile decoded(out / "decoded.npy");
  const View<const float> images = decoded.values<float>();
  const std::size_t eight = images.size() / static_cast<std::size_t>(copies);
  for (std::size_t i = eight; i < images.size(); ++i) REQUIRE(images[i] == images[i - eight]);
  REQUIRE(run_program(decode + " -o " + quoted(out / "pictures")).code == 0);
  CHECK(read_bytes(out / "pictures/000003.png") == read_bytes(out / "pictures/000131.png"));
  CHECK(read_bytes(out / "pictures/000003.png") != read_bytes(out / "pictures/000130.png"));
  CHECK_FALSE(std::filesystem::exists(out / "pictures/000136.png"));
}

TEST_CASE("program: presets that only --preset tells apart") {
  const std::string arguments =
      "encode --model " + quoted(golden("tiny_titok_vq")) + " " + quoted(golden("tiny_titok_vq") / "input.npy");
  const Outcome undecided = run_program(arguments);
  CHECK(undecided.code == 1);
  CHECK(contains(undecided.err, "tiny_titok_vq, tiny_titok_cosine"));

  const Outcome told = run_program(arguments + " --preset tiny_titok_vq");
  REQUIRE(told.code == 0);
  std::istringstream words(told.out);
  std::vector<Token> ids;
  for (Token id = 0; words >> id;) ids.push_back(id);
  CHECK(ids == tokens_of(NpyFile(golden("tiny_titok_vq") / "tokens.npy")));
}

TEST_CASE("program: info") {
  const Outcome text = run_program("info " + quoted(golden("tiny_patch")));
  CHECK(text.code == 0);
  CHECK(contains(text.out, "tiny_patch"));
  const Outcome outcome = run_program("info --json " + quoted(golden("one_token") / "model.safetensors"));
  REQUIRE(outcome.code == 0);
  const auto json = nlohmann::json::parse(outcome.out);
  CHECK(json.at("family") == "latent");
  CHECK(json.at("preset") == "one_token");
  CHECK(json.at("bits_per_image") == 2);
  CHECK(json.at("compression_ratio") == 8.0 * 3 * 24 * 24 / 2);
  CHECK(json.at("config").at("codebook_size") == 3);
}

TEST_CASE("program: pictures of photographs") {
  const TemporaryFolder out;
  const std::string with_model = " --model " + quoted(golden("tiny_patch")) + " ";
  // The same name twice.
  const Outcome outcome = run_program("reconstruct" + with_model + quoted(golden("photos")) + " " +
                                      quoted(golden("photos") / "coffee.png") + " -o " + quoted(out / "pairs"));
  REQUIRE(outcome.code == 0);
  for (const char* name : {"chelsea.png", "coffee.png", "coffee_2.png", "rocket.png"}) {
    CHECK(std::filesystem::exists(out / "pairs" / name));
  }
  CHECK(outcome.out.ends_with("  mean\n"));
  CHECK(read_bytes(out / "pairs" / "coffee.png") == read_bytes(out / "pairs" / "coffee_2.png"));

  REQUIRE(run_program("encode" + with_model + quoted(golden("photos")) + " -o " + quoted(out / "t.jsonl")).code == 0);
  REQUIRE(run_program("decode" + with_model + quoted(out / "t.jsonl") + " -o " + quoted(out / "pictures")).code == 0);
  CHECK(std::filesystem::exists(out / "pictures" / "000002.png"));
}
