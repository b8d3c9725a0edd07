// --device and --precision: what each wrong combination says, and what the right ones compute.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <tessera/io/npy.hpp>

#include "run_program.hpp"

using namespace tessera;
using namespace tessera_test;

namespace {

/// Of TESSERA_CUDA_PRESETS, with spaces between them, or all; empty where the program was built without CUDA.
const std::string cuda_presets = TESSERA_CUDA_PRESETS;

bool on_cuda(const std::string& preset) {
  return cuda_presets == "all" || contains(" " + cuda_presets + " ", " " + preset + " ");
}

const std::string model = quoted(golden("tiny_patch")), photo = quoted(golden("photos") / "coffee.png"),
                  array = quoted(golden("tiny_patch") / "input.npy"),
                  tokens = quoted(golden("tiny_patch") / "tokens.npy");

/// One of each command that runs a model; what they write lies in `folder`.
std::vector<std::string> commands_in(const TemporaryFolder& folder) {
  return {"encode --model " + model + " " + photo + " -o " + quoted(folder / "tokens.npy"),
          "decode --model " + model + " " + tokens + " -o " + quoted(folder / "images.npy"),
          "reconstruct --model " + model + " " + photo + " -o " + quoted(folder / "pictures"), "info --verify " + model,
          "train --preset tiny_patch --steps 1 --data " + array + " -o " + quoted(folder / "run")};
}

/// Every command with these options is exit code 2 and this one line, and leaves nothing behind.
void check_refused(const std::string& options, const std::string& line) {
  const TemporaryFolder folder;
  for (const std::string& command : commands_in(folder)) {
    CAPTURE(command);
    const Outcome outcome = run_program(command + options);
    CHECK(outcome.code == 2);
    CHECK(outcome.err == "tessera: " + line + "\n");
    CHECK(outcome.out.empty());
  }
  CHECK(std::filesystem::is_empty(folder.path()));
}

}  // namespace

TEST_CASE("program: the cpu computes in f32 alone") {
  for (const std::string precision : {"tf32", "bf16"}) {
    const std::string line = "--precision: found '" + precision +
                             "' for the cpu, which computes in f32 alone, expected f32, or --device cuda";
    check_refused(" --precision " + precision, line);
    check_refused(" --device cpu --precision " + precision, line);
  }
}

TEST_CASE("program: a device or preset that it was built without") {
  if (cuda_presets.empty()) {
    check_refused(
        " --device cuda",
        "--device: found 'cuda', which this program was built without (cmake --preset cuda builds it), expected cpu");
  } else if (!on_cuda("tiny_patch")) {
    check_refused(" --device cuda --precision bf16",
                  "--device: found 'cuda' for preset tiny_patch, which this program was built without "
                  "(-DTESSERA_CUDA_PRESETS lists what is built), expected cpu, or a model of " +
                      cuda_presets);
  }
}

TEST_CASE("program: unknown devices and precisions") {
  check_refused(" --device gpu", "--device: found 'gpu', expected cpu or cuda");
  check_refused(" --device 0", "--device: found '0', expected cpu or cuda");
  check_refused(" --precision f16", "--precision: found 'f16', expected bf16 or f32 or tf32");
  const TemporaryFolder folder;
  for (const std::string& command : commands_in(folder)) {
    CAPTURE(command);
    const Outcome outcome = run_program(command + " --precision");
    CHECK(outcome.code == 2);
    CHECK(outcome.one_line_error());
    const std::string help = run_program(command.substr(0, command.find(' ')) + " --help").out;
    CHECK(contains(help, "--device"));
    CHECK(contains(help, "--precision"));
  }
}

TEST_CASE("program: the cpu in f32 is what runs where nothing else is asked for") {
  const TemporaryFolder folder, again;
  const auto plain = commands_in(folder), told = commands_in(again);
  for (std::size_t i = 0; i < plain.size(); ++i) {
    CAPTURE(plain[i]);
    CHECK(run_program(plain[i]).code == run_program(told[i] + " --device cpu --precision f32").code);
  }
  for (const char* file : {"tokens.npy", "images.npy", "pictures/coffee.png", "run/model.safetensors"}) {
    CAPTURE(file);
    REQUIRE(std::filesystem::exists(folder / file));
    CHECK(read_bytes(folder / file) == read_bytes(again / file));
  }
}

TEST_CASE("program: info says where a model can run") {
  const auto devices = nlohmann::json::parse(run_program("info --json " + model).out).at("devices");
  const bool cuda = on_cuda("tiny_patch");
  CHECK(devices.at("cpu") == nlohmann::json{"f32"});
  CHECK(devices.contains("cuda") == cuda);
  if (cuda) CHECK(devices.at("cuda") == nlohmann::json{"f32", "tf32", "bf16"});
  CHECK(contains(run_program("info " + model).out,
                 cuda ? "runs on     cpu in f32; cuda in f32 tf32 bf16\n" : "runs on     cpu in f32\n"));
}

TEST_CASE("program: a GPU's tokens are the cpu's, and a machine without one says so in one line") {
  if (!on_cuda("demo_128")) return;
  const bool gpu = std::filesystem::exists("/dev/nvidiactl");
  const TemporaryFolder folder;
  const auto demo = std::filesystem::path(TESSERA_TEST_DATA).parent_path() / "examples" / "models" / "demo.safetensors";
  const std::string encode = "encode --model " + quoted(demo) + " " + photo + " -o ";
  REQUIRE(run_program(encode + quoted(folder / "cpu.npy")).code == 0);
  for (const std::string precision : {"f32", "tf32", "bf16"}) {
    CAPTURE(precision);
    const auto file = folder / (precision + ".npy");
    const Outcome outcome = run_program(encode + quoted(file) + " --device cuda --precision " + precision);
    CAPTURE(outcome.err);
    REQUIRE(outcome.code == (gpu ? 0 : 1));
    if (!gpu) {
      CHECK(outcome.one_line_error());
      CHECK(outcome.err.starts_with("tessera: cuda"));
      CHECK_FALSE(std::filesystem::exists(file));
      continue;
    }
    const NpyFile expected_file(folder / "cpu.npy"), found_file(file);
    const auto expected = expected_file.values<Token>(), found = found_file.values<Token>();
    REQUIRE(found.size() == expected.size());
    std::size_t different = 0;
    for (std::size_t i = 0; i < found.size(); ++i) different += found[i] != expected[i];
    // One of 256 may have a margin that rounding crosses; the other formats move some more.
    CHECK(different <= (precision == "f32" ? 1 : found.size() / 4));
  }
}
