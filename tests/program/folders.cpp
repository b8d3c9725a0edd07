// What folders hold: what is read, and what is left out and counted.
#include <doctest/doctest.h>
#include <unistd.h>

#include <tessera/io/npy.hpp>

#include "run_program.hpp"

using namespace tessera;
using namespace tessera_test;

namespace {

const std::string model = " --model '" + golden("tiny_patch").string() + "' ";

Index lines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

}  // namespace

TEST_CASE("program: what a folder's files are left out for is counted on stderr") {
  const TemporaryFolder folder;
  const std::string bytes = read_bytes(golden("photos") / "coffee.png");
  std::filesystem::create_directory(folder / "__MACOSX");
  for (const char* name : {"a.png", "b.webp", "c.jfif", "d.jpe", "e.tif", "._a.png", "__MACOSX/._a.png"}) {
    write_bytes(folder / name, bytes);  // a PNG by its content
  }
  REQUIRE(::symlink("/not/there.png", (folder / "f.png").c_str()) == 0);
  const Outcome outcome = run_program("encode" + model + quoted(folder.path()));
  CHECK(outcome.code == 0);
  CHECK(lines(outcome.out) == 3);
  CHECK(outcome.err == folder.path().string() + ": left out 5 files: 1 .tif, 1 .webp, 2 hidden, 1 broken link (" +
                           (folder / "f.png").string() + ")\n");
  // What is named is read, and a broken link that is named is an error.
  CHECK(lines(run_program("encode" + model + quoted(folder / "._a.png") + " " + quoted(folder / "b.webp")).out) == 2);
  CHECK(contains(run_program("encode" + model + quoted(folder / "f.png")).err, "f.png: found No such file"));
  CHECK(contains(run_program("encode --help").out, "__MACOSX"));
}

TEST_CASE("program: results of one command are no input of the next, unless they are named") {
  const TemporaryFolder folder;
  write_bytes(folder / "a.png", read_bytes(golden("photos") / "coffee.png"));
  REQUIRE(run_program("reconstruct" + model + quoted(folder.path()) + " -o " + quoted(folder / "out")).code == 0);
  const Outcome outcome = run_program("encode" + model + quoted(folder.path()));
  CHECK(lines(outcome.out) == 1);
  CHECK(contains(outcome.err, "1 folder of tessera's results"));
  CHECK(lines(run_program("encode" + model + quoted(folder / "out")).out) == 1);
}

TEST_CASE("program: many files of one name take no longer than others") {
  const TemporaryFolder folder;
  constexpr int many = 20000;
  for (int i = 0; i < many; ++i) {
    const auto own = folder / std::to_string(i);
    std::filesystem::create_directory(own);
    write_bytes(own / "rgb.jpg", "");
  }
  // Nothing can be read, so that only names are compared. Quadratic time would be a minute.
  const Outcome outcome = run_program("reconstruct" + model + quoted(folder.path()) + " -o " + quoted(folder / "out"),
                                      "timeout 60 prlimit --cpu=20");
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.err, "found 20000 of 20000 images that cannot be read"));
  CHECK(lines(outcome.err) <= 23);
  CHECK_FALSE(std::filesystem::exists(folder / "out"));
}

TEST_CASE("program: float images far outside the model's range are refused with both ranges") {
  const TemporaryFolder folder;
  const Index shape[] = {2, 3, 32, 32};
  const auto write = [&](float scale, float shift) {
    std::vector<float> values;
    for (int i = 0; i < 2 * 3 * 32 * 32; ++i) values.push_back(static_cast<float>(i % 256) * scale + shift);
    write_npy<float>(folder / "a.npy", shape, View<const float>(values));
  };
  const std::string name = quoted(folder / "a.npy");
  for (const std::string& command :
       {"encode" + model + name, "reconstruct" + model + name + " -o " + quoted(folder / "out"),
        "info " + quoted(golden("tiny_patch")) + " --images " + name,
        "train --preset tiny_patch --steps 1 -o " + quoted(folder / "run") + " --data " + name}) {
    CAPTURE(command);
    write(1, 0);
    const Outcome outcome = run_program(command);
    CAPTURE(outcome.err);
    CHECK(outcome.code == 1);
    CHECK(contains(outcome.err, "a.npy: found values from 0 to 255, expected about -1 to 1"));
  }
  write(2.0F / 255, -1.2F);  // a little outside
  CHECK(run_program("encode" + model + name).code == 0);
  CHECK(contains(run_program("info " + quoted(golden("tiny_patch"))).out, "values from -1 to 1"));
}
