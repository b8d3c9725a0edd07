// Pictures that decode and reconstruct write: one file or a folder, what an earlier call made, and what is not ours.
#include <doctest/doctest.h>

#include <cmath>

#include <tessera/io/image.hpp>
#include <tessera/io/npy.hpp>

#include "run_program.hpp"

using namespace tessera;
using namespace tessera_test;

namespace {

const std::string with_model = " --model '" + golden("tiny_patch").string() + "' ";
const std::string tokens = quoted(golden("tiny_patch") / "tokens.npy");

std::string photo(const char* name) {
  return quoted(golden("photos") / name);
}

}  // namespace

TEST_CASE("program: -o of one picture writes it, and is refused for several") {
  const TemporaryFolder folder;
  const std::string output = " -o " + quoted(folder / "pic.PNG");
  REQUIRE(run_program("encode" + with_model + photo("coffee.png") + " -o " + quoted(folder / "one.txt")).code == 0);
  const Outcome decoded = run_program("decode" + with_model + quoted(folder / "one.txt") + output);
  CHECK_MESSAGE(decoded.code == 0, decoded.err);
  CHECK(read_image(folder / "pic.PNG").width == 32);
  const Outcome reconstructed = run_program("reconstruct" + with_model + photo("coffee.png") + output);
  CHECK_MESSAGE(reconstructed.code == 0, reconstructed.err);
  CHECK(read_image(folder / "pic.PNG").width == 64);
  CHECK(contains(reconstructed.out, "pic.PNG"));
  for (const std::string& wrong : {"decode" + with_model + tokens + " -o " + quoted(folder / "p.png"),
                                   "reconstruct" + with_model + photo("") + " -o " + quoted(folder / "p.png"),
                                   "decode" + with_model + tokens + " -o " + quoted(folder / "p.jpg")}) {
    const Outcome outcome = run_program(wrong);
    CAPTURE(outcome.err);
    CHECK(outcome.code == 2);
    CHECK(outcome.one_line_error());
  }
  // A folder may have any name.
  std::filesystem::create_directory(folder / "p.png");
  CHECK(run_program("decode" + with_model + tokens + " -o " + quoted(folder / "p.png")).code == 0);
  CHECK(std::filesystem::exists(folder / "p.png/000000.png"));
  // No input is written over.
  write_bytes(folder / "in.png", read_bytes(golden("photos") / "coffee.png"));
  const std::string in = quoted(folder / "in.png");
  CHECK(run_program("reconstruct" + with_model + in + " -o " + in).code == 2);
  CHECK(read_bytes(folder / "in.png") == read_bytes(golden("photos") / "coffee.png"));
}

TEST_CASE("program: a folder of the user's is refused, and so is one file in tessera's") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "mine");
  write_bytes(folder / "mine/000000.png", "precious");
  const std::string decode = "decode" + with_model + tokens + " -o ";
  const Outcome user = run_program(decode + quoted(folder / "mine"));
  CHECK(user.code == 2);
  CHECK(user.one_line_error());
  CHECK(read_bytes(folder / "mine/000000.png") == "precious");
  // A picture of tessera's folder that the user has replaced, or put there.
  for (const char* name : {"000001.png", "coffee.png"}) {
    const TemporaryFolder other;
    const std::string out = quoted(other / "out");
    REQUIRE(run_program(decode + out).code == 0);
    write_bytes(other / "out" / name, "precious");
    const Outcome decoded = run_program(decode + out),
                  reconstructed = run_program("reconstruct" + with_model + photo("coffee.png") + " -o " + out);
    const Outcome& refused = std::string(name) == "coffee.png" ? reconstructed : decoded;
    CAPTURE(refused.err);
    CHECK(refused.code == 2);
    CHECK(contains(refused.err, "found a file that tessera did not make"));
    CHECK(read_bytes(other / "out" / name) == "precious");
  }
}

TEST_CASE("program: pictures that are there are not made again; those of an earlier command are mentioned") {
  const TemporaryFolder folder;
  const std::string out = quoted(folder / "out"), decode = "decode" + with_model;
  REQUIRE(run_program(decode + tokens + " -o " + out).code == 0);
  const std::string bytes = read_bytes(folder / "out/000001.png");
  const auto before = std::filesystem::last_write_time(folder / "out/000000.png");
  std::filesystem::remove(folder / "out/000001.png");
  const Outcome again = run_program(decode + tokens + " -o " + out);
  CHECK(again.code == 0);
  CHECK(again.err.empty());
  CHECK(std::filesystem::last_write_time(folder / "out/000000.png") == before);
  CHECK(read_bytes(folder / "out/000001.png") == bytes);
  // Other tokens.
  write_bytes(folder / "one.txt", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
  const Outcome other = run_program(decode + quoted(folder / "one.txt") + " -o " + out);
  CHECK(other.code == 0);
  const auto images = std::to_string(NpyFile(golden("tiny_patch") / "tokens.npy").shape()[0] - 1);
  CHECK(contains(other.err, "holds pictures of an earlier command: 1 are replaced, " + images + " stay"));
  REQUIRE(run_program(decode + quoted(folder / "one.txt") + " -o " + quoted(folder / "fresh")).code == 0);
  CHECK(read_bytes(folder / "out/000000.png") == read_bytes(folder / "fresh/000000.png"));
}

TEST_CASE("program: reconstruct goes on, and its mean is that of all pictures") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "in");
  for (const char* name : {"chelsea.png", "coffee.png", "rocket.jpg"}) {
    write_bytes(folder / "in" / name, read_bytes(golden("photos") / name));
  }
  const auto reconstruct = [&](const char* output, const char* options = "") {
    return run_program("reconstruct --threads 2" + with_model + quoted(folder / "in") + " -o " +
                       quoted(folder / output) + " " + options);
  };
  const Outcome whole = reconstruct("out");
  REQUIRE(whole.code == 0);
  std::filesystem::remove(folder / "out/coffee.png");
  CHECK(reconstruct("out").out == whole.out);
  CHECK(std::filesystem::exists(folder / "out/coffee.png"));
  write_bytes(folder / "in/coffee.png", "no image");
  const Outcome broken = reconstruct("out2"), skipped = reconstruct("out2", "--skip-broken");
  CHECK(broken.code == 1);
  CHECK(broken.one_line_error());
  CHECK(contains(broken.err, "found 1 of 3 images that cannot be read"));
  CHECK(skipped.code == 0);
  CHECK(skipped.out == broken.out);
  CHECK(contains(skipped.out, "rocket.png"));
}

TEST_CASE("program: an array of pictures keeps what is finite") {
  const TemporaryFolder folder;
  const auto vae = golden("tiny_titok_vae");
  const std::string told = " --model " + quoted(vae) + " ", out = quoted(folder / "out.npy");
  REQUIRE(run_program("encode" + told + quoted(vae / "input.npy") + " -o " + quoted(folder / "good.npy")).code == 0);
  const NpyFile good(folder / "good.npy");
  std::vector<float> values(good.values<float>().begin(), good.values<float>().end());
  values.back() = std::nanf("");
  write_npy<float>(folder / "bad.npy", good.shape(), View<const float>(values));
  const Outcome failed = run_program("decode" + told + quoted(folder / "bad.npy") + " -o " + out);
  CHECK(failed.code == 1);
  CHECK(failed.one_line_error());
  CHECK(contains(failed.err, "found 1 of 8 images that cannot be read"));
  CHECK_FALSE(std::filesystem::exists(folder / "out.npy"));
  // The mended file needs the missing one only.
  CHECK(run_program("decode" + told + quoted(folder / "good.npy") + " -o " + out).code == 0);
  REQUIRE(run_program("decode" + told + quoted(folder / "good.npy") + " -o " + quoted(folder / "whole.npy")).code == 0);
  CHECK(read_bytes(folder / "out.npy") == read_bytes(folder / "whole.npy"));
  REQUIRE(run_program("decode --skip-broken" + told + quoted(folder / "bad.npy") + " -o " + out).code == 0);
  CHECK(NpyFile(folder / "out.npy").shape()[0] == 7);
}
