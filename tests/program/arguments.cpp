// Arguments are taken as they are, whatever CLI11 or printf would make of them.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "run_program.hpp"

using namespace tessera_test;

namespace {

const std::string model = " --model '" + golden("tiny_patch").string() + "' ";

/// Runs the program with `folder` as its working folder.
Outcome run_in(const TemporaryFolder& folder, const std::string& arguments) {
  return run_program(arguments, "cd " + quoted(folder.path()) + " &&");
}

std::string bytes_of(const char* photo) {
  return read_bytes(golden("photos") / photo);
}

}  // namespace

TEST_CASE("program: a name in brackets is one name, not a list") {
  const TemporaryFolder folder;
  for (const char* name : {"[set]", "set", "[a,b]", "{}", "[]"}) std::filesystem::create_directory(folder / name);
  write_bytes(folder / "[set]/red.png", bytes_of("coffee.png"));
  write_bytes(folder / "set/blue.png", bytes_of("rocket.jpg"));
  write_bytes(folder / "[a,b]/yellow.png", bytes_of("chelsea.png"));
  write_bytes(folder / "{}/a.png", bytes_of("rocket.jpg"));
  write_bytes(folder / "[]/a.png", bytes_of("coffee.png"));
  const auto tokens = [&](const std::string& input) {
    const Outcome outcome = run_in(folder, "encode" + model + input);
    CHECK_MESSAGE(outcome.code == 0, outcome.err);
    return outcome.out;
  };
  const std::string coffee = tokens(quoted(golden("photos") / "coffee.png")),
                    rocket = tokens(quoted(golden("photos") / "rocket.jpg")),
                    chelsea = tokens(quoted(golden("photos") / "chelsea.png"));
  REQUIRE(coffee != rocket);
  CHECK(tokens("'[set]'") == coffee);
  CHECK(tokens("set") == rocket);
  CHECK(tokens("'[a,b]'") == chelsea);
  CHECK(tokens("'{}'") == rocket);
  CHECK(tokens("'[]'") == coffee);
  CHECK(tokens("'[set]' '[a,b]' set") == coffee + chelsea + rocket);
  // Names stay as they were given.
  REQUIRE(run_in(folder, "encode" + model + "'[set]' -o '[a,b].jsonl'").code == 0);
  CHECK(nlohmann::json::parse(read_bytes(folder / "[a,b].jsonl")).at("file") == "[set]/red.png");
  // Options, with a space and with an equals sign.
  std::filesystem::create_directory(folder / "[x]");
  write_bytes(folder / "[x]/model.safetensors", read_bytes(golden("tiny_patch") / "model.safetensors"));
  for (const char* told : {" --model '[x]' ", " '--model=[x]' ", " --model '[x]/model.safetensors' "}) {
    CHECK(run_in(folder, "encode --preset tiny_patch" + std::string(told) + "set").out == rocket);
  }
  const Outcome info = run_in(folder, "info --json --preset tiny_patch '[x]' --images '[set]' '[a,b]'");
  REQUIRE_MESSAGE(info.code == 0, info.err);
  CHECK(nlohmann::json::parse(info.out).at("codebook").at("use").at("images") == 2);
  CHECK(run_in(folder, "info '--images=[set]' --preset tiny_patch -- '[x]'").code == 0);
  CHECK(run_in(folder, "reconstruct" + model + "'[set]' -o '[out]'").code == 0);
  CHECK(std::filesystem::exists(folder / "[out]/red.png"));
}

TEST_CASE("program: names of files hold what they like") {
  const TemporaryFolder folder;
  for (const char* name : {"a b.png", "\"q'.png", "new\nline.png", "%s%n.png", "\xc3\xa9\xe6\xb3\xa2.png", "\x01.png",
                           "a,b;c.png", "~.png", "@a.png", "a=b.png"}) {
    write_bytes(folder / name, bytes_of("coffee.png"));
  }
  const Outcome named = run_in(folder, "encode" + model + "*.png -o tokens.jsonl");
  CHECK_MESSAGE(named.code == 0, named.err);
  const Outcome listed = run_in(folder, "encode" + model + ". -o listed.npy");
  CHECK_MESSAGE(listed.code == 0, listed.err);
  const std::string lines = read_bytes(folder / "tokens.jsonl");
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 10);
  const Outcome pictures = run_in(folder, "reconstruct" + model + "*.png -o out");
  CHECK_MESSAGE(pictures.code == 0, pictures.err);
  CHECK(std::filesystem::exists(folder / "out/%s%n.png"));
}

TEST_CASE("program: a file whose name begins with a dash") {
  const TemporaryFolder folder;
  write_bytes(folder / "-dash.png", bytes_of("coffee.png"));
  const Outcome taken = run_in(folder, "encode" + model + "-dash.png");
  CHECK(taken.code == 2);
  CHECK(taken.one_line_error());
  CHECK(contains(taken.err, "-dash.png: found an unknown option, expected ./-dash.png"));
  CHECK(run_in(folder, "encode" + model + "./-dash.png").code == 0);
  CHECK(run_in(folder, "encode" + model + "-- -dash.png").code == 0);
}
