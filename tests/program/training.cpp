// tessera train: the published code's five steps, and runs that are stopped and go on.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

#include <tessera/io/npy.hpp>
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

/// As far as the log tells.
std::size_t steps_done(const std::filesystem::path& run) {
  return std::filesystem::exists(run / "log.jsonl") ? log_of(run).size() : 0;
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
  CHECK(outcome.code == 3);
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

TEST_CASE("program: fine-tuning a legacy model's decoder lowers its loss and keeps every token") {
  const Index images = 8;
  const std::string model = quoted(golden("tiny_titok_legacy")),
                    input = quoted(golden("tiny_titok_legacy") / "input.npy");
  const TemporaryFolder out;
  const Outcome outcome =
      run_program("train --preset tiny_titok_legacy --train decoder --init " + model + " --data " + input +
                  " --steps 20 --batch-size 8 --lr 1e-3 --sample-every 10 -o " + quoted(out / "run"));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const auto log = log_of(out / "run");
  CHECK(log.back().at("reconstruction_loss").get<double>() < 0.9 * log.front().at("reconstruction_loss").get<double>());
  CHECK(log.front().at("loss") == log.front().at("reconstruction_loss"));
  const auto tokens = out / "tokens.npy";
  REQUIRE(run_program("encode --model " + quoted(out / "run/model.safetensors") + " " + input + " -o " + quoted(tokens))
              .code == 0);
  CHECK(read_bytes(tokens) == read_bytes(golden("tiny_titok_legacy") / "tokens.npy"));
  CHECK(NpyFile(tokens).shape()[0] == images);
}

TEST_CASE("program: continuous and text-aware models train, stop and go on") {
  constexpr std::size_t steps = 400;
  const TemporaryFolder out;
  const auto model = golden("tiny_tatitok_vae");
  const std::string train = "train --preset tiny_tatitok_vae --data " + quoted(model / "input.npy") + " --text " +
                            quoted(model / "text.npy") + " --init " + quoted(model) +
                            " --batch-size 4 --sample-every 200 --checkpoint-every 50 --schedule constant --steps " +
                            std::to_string(steps) + " -o ";
  REQUIRE(run_program(train + quoted(out / "whole")).code == 0);
  CHECK(log_of(out / "whole").front().at("kl_loss").get<double>() > 0);
  CHECK(std::filesystem::exists(out / "whole/samples/step_00000400.png"));
  const auto parts = [&] {
    return train + quoted(out / "parts") +
           (std::filesystem::exists(out / "parts/checkpoint.safetensors") ? " --resume" : "");
  };
  for (double limit = 0.05; steps_done(out / "parts") == 0; limit *= 1.5) {
    const Outcome stopped = run_program(parts(), "timeout --preserve-status -s INT " + std::to_string(limit));
    CAPTURE(stopped.err);
    REQUIRE(limit < 60);
  }
  CHECK(steps_done(out / "parts") < steps);
  CHECK(run_program(parts()).code == 0);
  CHECK(timeless_log_of(out / "parts") == timeless_log_of(out / "whole"));
  CHECK(read_bytes(out / "parts/model.safetensors") == read_bytes(out / "whole/model.safetensors"));
}

TEST_CASE("program: a log that cannot be read is not replaced") {
  const TemporaryFolder out;
  std::filesystem::create_directory(out / "run");
  write_bytes(out / "run/.tessera-results", "");
  std::filesystem::create_symlink("log.jsonl", out / "run/log.jsonl");  // a link to itself
  const Outcome outcome = run_program("train --preset one_token --steps 1 --data " +
                                      quoted(golden("one_token") / "input.npy") + " -o " + quoted(out / "run"));
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.err, "log.jsonl: found Too many levels of symbolic links"));
  CHECK(std::filesystem::is_symlink(out / "run/log.jsonl"));
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
  const NpyFile images(golden("one_token") / "input.npy");
  std::vector<float> others(images.values<float>().begin(), images.values<float>().end());
  others.front() += 0.5F;
  write_npy<float>(out / "others.npy", images.shape(), View<const float>(others));
  const Outcome other_data = run_program("train --preset one_token --data " + quoted(out / "others.npy") +
                                         " --sample-every 0 --resume --steps 2 -o " + quoted(out / "run"));
  CHECK(other_data.code == 1);
  CHECK(contains(other_data.err, "data.json: found "));
}

TEST_CASE("program: what a closed stderr would show does not land in the log") {
  const TemporaryFolder out;
  // The folder's lock would be file 0, the log file 2.
  const Outcome outcome = run_program("train --preset one_token --steps 3 --sample-every 0 --data " +
                                          quoted(golden("one_token") / "input.npy") + " -o " + quoted(out.path()),
                                      "sh -c '\"$@\" <&- 2>&-' sh");
  CHECK(outcome.code == 0);
  CHECK(log_of(out.path()).size() == 3);
}

TEST_CASE("program: a damaged checkpoint is not gone on from") {
  const TemporaryFolder out;
  const std::string run = "train --preset one_token --steps 2 --sample-every 0 --data " +
                          quoted(golden("one_token") / "input.npy") + " -o " + quoted(out.path());
  REQUIRE(run_program(run).code == 0);
  const auto file = out / "checkpoint.safetensors";
  const std::string whole = read_bytes(file), model = read_bytes(out / "model.safetensors");
  const auto resumed_with = [&](const std::string& from, const std::string& to) {
    std::string bytes = whole;
    REQUIRE(bytes.find(from) != std::string::npos);
    bytes.replace(bytes.find(from), from.size(), to);
    std::uint64_t length;
    std::memcpy(&length, bytes.data(), sizeof length);
    length += to.size() - from.size();
    std::memcpy(bytes.data(), &length, sizeof length);
    write_bytes(file, bytes);
    const Outcome outcome = run_program(run + " --resume");
    CHECK(outcome.code == 1);
    CHECK(outcome.one_line_error());
    CHECK(read_bytes(out / "model.safetensors") == model);
    return outcome.err;
  };
  CHECK(contains(resumed_with(R"("tessera.step":"2")", R"("tessera.step":"3")"), "found step 3, expected at most 2"));
  const std::string option = R"(\"batch_size\":)", deep = std::string(100000, '[') + std::string(100000, ']');
  CHECK(contains(resumed_with(option, option + deep + R"(,\"y\":)"), "found option accumulate missing, expected 1"));
}

TEST_CASE("program: two runs do not share a folder") {
  const TemporaryFolder out;
  const int folder = ::open(out.path().c_str(), O_RDONLY | O_DIRECTORY);
  REQUIRE(::flock(folder, LOCK_EX) == 0);  // as a run does
  const std::string run = "train --preset one_token --steps 1 --data " + quoted(golden("one_token") / "input.npy") +
                          " -o " + quoted(out.path());
  const Outcome outcome = run_program(run);
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.err, "found a run that goes on, expected a folder that no other run is using"));
  CHECK(std::filesystem::is_empty(out.path()));
  ::close(folder);
  CHECK(run_program(run).code == 0);
}

TEST_CASE("program: training does not replace a model without a run") {
  const TemporaryFolder out;
  const auto model = golden("one_token") / "model.safetensors";
  const std::string before = read_bytes(model);
  write_bytes(out / "model.safetensors", before);
  const Outcome outcome =
      run_program("train --preset one_token --steps 1 --data " + quoted(golden("one_token") / "input.npy") +
                  " --init " + quoted(model) + " -o " + quoted(out.path()));
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.err, "found a model without a run's checkpoint beside it, expected an empty folder"));
  CHECK(read_bytes(out / "model.safetensors") == before);
}
