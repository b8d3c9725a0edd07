// The published code's models and images through the command line: the same tokens, and images within 2e-5.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <tessera/io/npy.hpp>

#include <sstream>

#include "../golden_models.hpp"
#include "run_program.hpp"

using namespace tessera;
using namespace tessera_test;

namespace {

const char* const models[] = {"tiny_patch", "tiny_latent", "odd_latent", "one_token"};

std::vector<Token> tokens_of(const NpyFile& file) {
  const auto values = file.values<Token>();
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("program: encode gives the published tokens, decode the published images") {
  for (const char* model : models) {
    CAPTURE(model);
    const TemporaryFolder out;
    const std::string with_model = " --model " + quoted(golden(model)) + " ";
    const auto input = golden(model) / "input.npy", npy = out / "tokens.npy", jsonl = out / "tokens.jsonl";
    const NpyFile expected(golden(model) / "tokens.npy"), images(golden(model) / "decoded.npy");

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
      REQUIRE(run_program("decode" + with_model + quoted(tokens) + " -o " + quoted(decoded)).code == 0);
      const NpyFile again(decoded);
      CHECK(again.shape() == images.shape());
      CHECK(testing::relative_difference(again.values<float>(), images.values<float>()) < 2e-5);
    }
  }
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
