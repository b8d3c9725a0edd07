// tessera train: the published code's five steps, and runs that are stopped and go on.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include <tessera/io/safetensors.hpp>

#include "../golden_models.hpp"
#include "run_program.hpp"

using namespace tessera;
using namespace tessera_test;

namespace {

std::vector<nlohmann::json> log_of(const std::filesystem::path& run) {
  std::istringstream lines(read_bytes(run / "log.jsonl"));
  std::vector<nlohmann::json> log;
  for (std::string line; std::getline(lines, line);) log.push_back(nlohmann::json::parse(line));
  return log;
}

/// The same without what depends on the clock.
std::vector<nlohmann::json> timeless_log_of(const std::filesystem::path& run) {
  std::vector<nlohmann::json> log = log_of(run);
  for (auto& line : log) line.erase("images_per_second");
  return log;
}

void check_weights(const std::filesystem::path& found_path, const std::filesystem::path& expected_path) {
  CAPTURE(expected_path.string());
  const SafetensorsFile found(found_path), expected(expected_path);
  REQUIRE(found.tensors().size() == expected.tensors().size());
  for (const TensorInfo& tensor : expected.tensors()) {
    CAPTURE(tensor.name);
    const TensorInfo* other = found.find(tensor.name);
    REQUIRE(other != nullptr);
    REQUIRE(other->shape == tensor.shape);
    const Index count = *byte_count(tensor.shape, DType::u8);
    std::vector<float> a(static_cast<std::size_t>(count)), b(a.size());
    found.read_float32(*other, a);
    expected.read_float32(tensor, b);
    const auto keys_bias = [&](std::size_t i) {  // its gradient is rounding noise: tests/golden/README.md
      return tensor.name.ends_with("in_proj_bias") && static_cast<Index>(i) / (count / 3) == 1;
    };
    CHECK(testing::relative_difference(a, b, keys_bias) < 3e-4);
  }
}

const std::string on_photographs =
    "train --preset tiny_patch --steps 400 --batch-size 3 --accumulate 2 --ema 0.99 "
    "--input-noise 0.01 --checkpoint-every 20 --sample-every 0 --revive-every 20 "
    "--data " +
    quoted(golden("photos")) + " -o ";

}  // namespace

TEST_CASE("program: five steps of the published code") {
  const auto train = golden("tiny_patch") / "train";
  const TemporaryFolder run;
  const Outcome outcome =
      run_program("train --preset tiny_patch --init " + quoted(golden("tiny_patch") / "model.safetensors") +
                  " --data " + quoted(train / "batches.npy") +
                  " --no-shuffle --schedule constant --lr 1e-3 --beta2 0.999 --batch-size 4 "
                  "--steps 5 --ema 0.999 --clip 1 -o " +
                  quoted(run.path()));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const auto expected = nlohmann::json::parse(std::ifstream(train / "log.json")).at("steps");
  const auto log = log_of(run.path());
  REQUIRE(log.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CAPTURE(i);
    CHECK(log[i].at("step") == static_cast<Index>(i + 1));
    CHECK(log[i].at("lr") == 1e-3);
    CHECK(log[i].at("images_per_second").get<double>() > 0);
    for (const char* name : {"loss", "reconstruction_loss", "codebook_loss", "commitment_loss", "grad_norm"}) {
      CAPTURE(name);
      CHECK(log[i].at(name).get<double>() ==
            doctest::Approx(expected[i].at(name).get<double>()).epsilon(1e-5).scale(0));
    }
  }
  check_weights(run / "model.safetensors", train / "final.safetensors");
  check_weights(run / "ema.safetensors", train / "ema.safetensors");
  CHECK(std::filesystem::exists(run.path() / "samples" / "step_00000005.png"));
  // A trained model says what it is.
  CHECK(contains(run_program("info " + quoted(run / "model.safetensors")).out, "tiny_patch"));
}

TEST_CASE("program: a stopped run goes on with the same bits") {
  const TemporaryFolder out;
  REQUIRE(run_program(on_photographs + quoted(out / "whole")).code == 0);
  const auto whole = timeless_log_of(out / "whole");
  REQUIRE(whole.size() == 400);

  // SIGTERM and SIGINT save and end; wherever they fall, the rest of the run is the same.
  Outcome outcome = run_program(on_photographs + quoted(out / "parts"), "timeout --preserve-status -s TERM 0.4");
  for (int part = 0; part < 50 && !contains(outcome.err, "done after step 400"); ++part) {
    outcome = run_program(on_photographs + quoted(out / "parts") + " --resume --threads 1",
                          part < 3 ? "timeout --preserve-status -s INT 0.6" : "");
  }
  CHECK(outcome.code == 0);
  CHECK(timeless_log_of(out / "parts") == whole);
  for (const char* file : {"model.safetensors", "ema.safetensors", "checkpoint.safetensors"}) {
    CAPTURE(file);
    CHECK(read_bytes(out / "whole" / file) == read_bytes(out / "parts" / file));
  }
}

TEST_CASE("program: a run is not overwritten, nor resumed as another") {
  const TemporaryFolder out;
  const std::string run = "train --preset one_token --data " + quoted(golden("one_token") / "input.npy") +
                          " --sample-every 0 -o " + quoted(out / "run") + " --steps ";
  REQUIRE(run_program(run + "2").code == 0);
  const std::string before = read_bytes(out / "run" / "checkpoint.safetensors");
  for (const std::string& again : {run + "2", run + "2 --resume --lr 0.1", run + "2 --resume --augment flip"}) {
    CAPTURE(again);
    const Outcome outcome = run_program(again);
    CHECK(outcome.code == 1);
    CHECK(outcome.one_line_error());
    CHECK(read_bytes(out / "run" / "checkpoint.safetensors") == before);
  }
  CHECK(run_program(run + "2 --resume").code == 0);  // there is nothing left to do
}
