// tessera train keeps what it has done: signals, pipes, full disks, photographs that go bad, files that shrink.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <future>
#include <sstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "run_program.hpp"

using namespace tessera;
using namespace tessera_test;

namespace {

Index lines_of(const std::filesystem::path& file) {
  const std::string text = read_bytes(file);
  return std::count(text.begin(), text.end(), '\n');
}

Index times(const std::string& text, const std::string& part) {
  Index count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

std::string train_on(const std::filesystem::path& data, const std::filesystem::path& run, const std::string& steps,
                     const std::string& sample_every = "0") {
  return "train --preset tiny_patch --batch-size 2 --threads 1 --data " + quoted(data) + " -o " + quoted(run) +
         " --sample-every " + sample_every + " --steps " + steps + " ";
}

/// A run of more steps than any test waits for.
std::string endless(const std::filesystem::path& run) {
  return train_on(golden("photos"), run, "1000000");
}

/// Trains, and calls `change` when it has done some steps.
Outcome changed_while_training(const std::string& arguments, const std::filesystem::path& run,
                               const std::function<void()>& change) {
  auto outcome = std::async(std::launch::async, [&] { return run_program(arguments, "timeout 100"); });
  wait_until([&] { return std::filesystem::exists(run / "log.jsonl") && lines_of(run / "log.jsonl") >= 4; });
  change();
  return outcome.get();
}

/// No temporary file is left in a run's folder.
void check_nothing_else(const std::filesystem::path& run) {
  for (const auto& entry : std::filesystem::directory_iterator(run)) {
    const std::string name = entry.path().filename();
    CAPTURE(name);
    CHECK((name == ".tessera-results" || name == "data.json" || name == "log.jsonl" || name == "samples" ||
           name == "checkpoint.safetensors" || name == "model.safetensors" || name == "ema.safetensors"));
  }
}

}  // namespace

TEST_CASE("program: every signal that schedulers send stops a run after its step, saved, with exit code 3") {
  for (const char* signal : {"INT", "TERM", "HUP", "USR1", "USR2", "XCPU"}) {
    CAPTURE(signal);
    const TemporaryFolder out;
    const Outcome outcome = run_and_signal(endless(out / "run"), signal, out / "run/log.jsonl");
    CHECK(outcome.code == 3);
    CHECK(contains(outcome.err, "tessera: stopped and saved after step "));
    CHECK(std::filesystem::exists(out / "run/checkpoint.safetensors"));
    check_nothing_else(out / "run");
  }
}

TEST_CASE("program: signals that are ignored where it starts stay ignored") {
  for (const char* signal : {"INT", "TERM", "HUP", "USR1"}) {
    CAPTURE(signal);
    const TemporaryFolder out;
    const Outcome outcome =
        run_and_signal(train_on(golden("photos"), out / "run", "400"), signal, out / "run/log.jsonl", true);
    CHECK(outcome.code == 0);
    CHECK(contains(outcome.err, "done after step 400"));
  }
}

TEST_CASE("program: nothing printed ends a run") {
  for (const char* printed : {"2>&1 | true", "2> /dev/full", "2>&-"}) {
    CAPTURE(printed);
    const TemporaryFolder out;
    const Outcome outcome = run_program(train_on(golden("photos"), out / "run", "30"),
                                        "bash -c 'set -o pipefail; \"$@\" " + std::string(printed) + "' bash");
    CHECK(outcome.code == 0);
    CHECK(lines_of(out / "run/log.jsonl") == 30);
    CHECK(std::filesystem::exists(out / "run/checkpoint.safetensors"));
  }
}

TEST_CASE("program: a photograph that goes bad ends a run saved, and the run goes on where it is whole again") {
  const TemporaryFolder out;
  std::filesystem::copy(golden("photos"), out / "photos");
  const std::string whole = read_bytes(out / "photos/coffee.png");
  const std::string train = train_on(out / "photos", out / "run", "120") + "--data-memory 0 ";
  const std::function<void()> damages[] = {[&] { write_bytes(out / "photos/coffee.png", ""); },
                                           [&] { std::filesystem::remove(out / "photos/coffee.png"); }};
  bool resume = false;
  Index before = 0;
  for (const auto& damage : damages) {
    const Index logged = resume ? lines_of(out / "run/log.jsonl") : 0;
    auto run =
        std::async(std::launch::async, [&] { return run_program(train + (resume ? "--resume" : ""), "timeout 100"); });
    wait_until([&] {
      return std::filesystem::exists(out / "run/log.jsonl") && lines_of(out / "run/log.jsonl") >= logged + 4;
    });
    damage();
    const Outcome outcome = run.get();
    CAPTURE(outcome.err);
    CHECK(outcome.code == 1);
    CHECK(contains(outcome.err, "coffee.png: found "));
    CHECK(contains(outcome.err, "saved after step "));
    CHECK(lines_of(out / "run/log.jsonl") > before);
    before = lines_of(out / "run/log.jsonl");
    write_bytes(out / "photos/coffee.png", whole);
    resume = true;
  }
  CHECK(before < 120);
  CHECK(run_program(train + "--resume").code == 0);
  CHECK(run_program(train_on(golden("photos"), out / "at once", "120")).code == 0);
  for (const char* file : {"checkpoint.safetensors", "model.safetensors"}) {
    CHECK(read_bytes(out / "run" / file) == read_bytes(out / "at once" / file));
  }
}

TEST_CASE("program: with --skip-broken a photograph that goes bad is replaced, named once and counted") {
  const TemporaryFolder out;
  std::filesystem::copy(golden("photos"), out / "photos");
  const std::string train = train_on(out / "photos", out / "run", "100") + "--data-memory 0 --skip-broken ";
  const Outcome outcome =
      changed_while_training(train, out / "run", [&] { write_bytes(out / "photos/chelsea.png", ""); });
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
  CHECK(times(outcome.err, "chelsea.png") == 1);
  CHECK(contains(outcome.err, "skipped 1 broken photograph"));
  // The image of its data that cannot be read any more is not compared.
  CHECK(run_program(train + "--resume").code == 0);
  CHECK(run_program(train_on(out / "photos", out / "run", "100") + "--resume").code == 1);
}

TEST_CASE("program: a run past the file size limit says so and keeps its last files") {
  const TemporaryFolder out;
  const std::string limit = "bash -c 'ulimit -f 8; exec \"$@\"' bash";
  const std::string train = train_on(golden("photos"), out / "run", "3");
  Outcome outcome = run_program(train, limit);
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.err, "checkpoint.safetensors: found File too large"));
  CHECK_FALSE(std::filesystem::exists(out / "run/checkpoint.safetensors"));
  check_nothing_else(out / "run");
  REQUIRE(run_program(train).code == 0);
  const std::string checkpoint = read_bytes(out / "run/checkpoint.safetensors");
  outcome = run_program(train + "--resume", limit);
  CHECK(outcome.code == 1);
  CHECK(times(outcome.err, "File too large") == 1);
  CHECK(read_bytes(out / "run/checkpoint.safetensors") == checkpoint);
  check_nothing_else(out / "run");
}

TEST_CASE("program: lines of the log that cannot be written are said once and end no run") {
  const TemporaryFolder out;
  const std::string train = train_on(golden("photos"), out / "run", "300");
  REQUIRE(run_and_signal(train, "INT", out / "run/log.jsonl").code == 3);
  // The longest file that is allowed has room for the checkpoint, and for one more line of the log.
  const auto limit = std::filesystem::file_size(out / "run/checkpoint.safetensors") / 1024 + 8;
  std::string log = read_bytes(out / "run/log.jsonl");
  const std::string before = "{\"step\":0,\"filled\":\"", after = "\"}\n";
  log.insert(0, before + std::string(limit * 1024 - 400 - log.size() - before.size() - after.size(), 'x') + after);
  write_bytes(out / "run/log.jsonl", log);
  const Outcome outcome =
      run_program(train + "--resume", "bash -c 'ulimit -f " + std::to_string(limit) + "; exec \"$@\"' bash");
  CAPTURE(outcome.err);
  CHECK(outcome.code == 0);
  CHECK(times(outcome.err, "File too large") == 1);
  CHECK(contains(outcome.err, " lines of the log were lost"));
  REQUIRE(run_program(train_on(golden("photos"), out / "free", "300")).code == 0);
  CHECK(read_bytes(out / "run/checkpoint.safetensors") == read_bytes(out / "free/checkpoint.safetensors"));
  std::istringstream lines(read_bytes(out / "run/log.jsonl"));
  Index whole = 0;
  for (std::string line; std::getline(lines, line); ++whole) REQUIRE(nlohmann::json::accept(line));
  CHECK(whole > std::count(log.begin(), log.end(), '\n'));
}

TEST_CASE("program: sample pictures that cannot be written are said once and end no run") {
  const TemporaryFolder out;
  std::filesystem::create_directory(out / "run");
  write_bytes(out / "run/.tessera-results", "");
  write_bytes(out / "run/samples", "a file");
  const Outcome outcome = run_program(train_on(golden("photos"), out / "run", "6", "2"));
  CHECK(outcome.code == 0);
  CHECK(times(outcome.err, "training goes on without a sample picture: ") == 1);
  CHECK(contains(outcome.err, "3 sample pictures were lost"));
  CHECK(std::filesystem::exists(out / "run/checkpoint.safetensors"));
}

TEST_CASE("program: a run that has no checkpoint is not resumed") {
  const TemporaryFolder out;
  const Outcome outcome = run_program(train_on(golden("photos"), out / "run", "2") + "--resume");
  CHECK(outcome.code == 1);
  CHECK(outcome.one_line_error());
  CHECK(contains(outcome.err, "run/checkpoint.safetensors: found no such file, expected the checkpoint"));
  CHECK_FALSE(std::filesystem::exists(out / "run"));
}

TEST_CASE("program: training does not write into a folder that is not its own") {
  for (const char* name : {"data.json", "log.jsonl", "notes.txt"}) {
    CAPTURE(name);
    const TemporaryFolder out;
    write_bytes(out / name, "the user's");
    for (const char* resume : {"", "--resume"}) {
      const Outcome outcome = run_program(train_on(golden("photos"), out.path(), "2") + resume);
      CHECK(outcome.code == (*resume == '\0' ? 2 : 1));
      CHECK(outcome.one_line_error());
      CHECK(read_bytes(out / name) == "the user's");
      CHECK(std::distance(std::filesystem::directory_iterator(out.path()), {}) == 1);
    }
  }
}

TEST_CASE("program: runs of earlier versions, which are not marked, go on") {
  const TemporaryFolder out;
  const std::string train = train_on(golden("photos"), out / "run", "300");
  REQUIRE(run_and_signal(train, "INT", out / "run/log.jsonl").code == 3);
  std::filesystem::remove(out / "run/.tessera-results");
  // Their data.json held one hash of all images.
  auto data = nlohmann::json::parse(read_bytes(out / "run/data.json"));
  data.erase("samples");
  REQUIRE(data.contains("fingerprint"));
  write_bytes(out / "run/data.json", data.dump());
  CHECK(run_program(train + "--resume").code == 0);
  CHECK(std::filesystem::exists(out / "run/.tessera-results"));
  data["fingerprint"] = "0123456789abcdef";
  write_bytes(out / "run/data.json", data.dump());
  const Outcome other = run_program(train + "--resume");
  CHECK(other.code == 1);
  CHECK(contains(other.err, "data.json: found fingerprint "));
  data["fingerprint"] = nullptr;
  data["images"] = 2;
  write_bytes(out / "run/data.json", data.dump());
  CHECK(contains(run_program(train + "--resume").err, "data.json: found images 2, expected 3"));
  write_bytes(out / "run/data.json", "{\"images\": ");
  CHECK(contains(run_program(train + "--resume").err, "data.json: found no JSON object, expected "));
}

TEST_CASE("program: what a resumed run cannot read is still known to the next one") {
  const TemporaryFolder out;
  std::filesystem::copy(golden("photos"), out / "photos");
  const std::string train = train_on(out / "photos", out / "run", "300") + "--skip-broken ";
  REQUIRE(run_and_signal(train, "INT", out / "run/log.jsonl").code == 3);
  const std::string noted = read_bytes(out / "run/data.json");
  write_bytes(out / "photos/coffee.png", "");
  CHECK(run_program(train + "--resume").code == 0);
  CHECK(nlohmann::json::parse(read_bytes(out / "run/data.json")) == nlohmann::json::parse(noted));
  write_bytes(out / "photos/coffee.png", read_bytes(golden("photos") / "rocket.jpg"));
  CHECK(contains(run_program(train + "--resume").err, "data.json: found samples "));
}

TEST_CASE("program: pictures of runs inside the data folder are no data, of these runs and of others") {
  const TemporaryFolder out;
  std::filesystem::copy(golden("photos"), out.path(), std::filesystem::copy_options::recursive);
  for (const char* run : {"one", "two"}) {
    const std::string train = train_on(out.path(), out / run, "2", "1");
    CHECK(run_program(train).code == 0);
    CHECK(std::filesystem::exists(out / run / "samples"));
    CHECK(run_program(train + "--resume").code == 0);
    CHECK(nlohmann::json::parse(read_bytes(out / run / "data.json")).at("images") == 3);
  }
}
