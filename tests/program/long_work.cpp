// What is done is kept: broken pictures, and journals that are resumed, torn, of other work or not tessera's.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmath>

#include <tessera/io/npy.hpp>

#include "run_program.hpp"

using namespace tessera;
using namespace tessera_test;

namespace {

const std::string with_model = " --threads 2 --model '" + golden("tiny_patch").string() + "' ";

/// Six pictures a..f of which some are broken.
class Pictures {
 public:
  explicit Pictures(const std::string& broken = "") {
    std::filesystem::create_directory(folder());
    for (const char name : std::string("abcdef")) mend(name);
    for (const char name : broken) write_bytes(file(name), bytes(name).substr(0, 3000));
  }

  std::filesystem::path folder() const { return folder_ / "pictures"; }
  std::filesystem::path file(char name) const { return folder() / (std::string(1, name) + ".png"); }
  void mend(char name) const { write_bytes(file(name), bytes(name)); }

  std::filesystem::path operator/(const char* name) const { return folder_ / name; }
  /// Runs `encode` of the folder to `output` in the folder beside.
  Outcome encode(const std::string& output, const std::string& options = "") const {
    return run_program("encode" + with_model + quoted(folder()) + " -o " + quoted(folder_ / output) + " " + options);
  }
  /// Every file for finished parts.
  std::vector<std::filesystem::path> journals() const {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      if (entry.path().extension() == ".tessera-part") found.push_back(entry.path());
    }
    return found;
  }

 private:
  static std::string bytes(char name) {
    const char* const photos[] = {"coffee.png", "rocket.jpg", "chelsea.png"};
    return read_bytes(golden("photos") / photos[(name - 'a') % 3]);
  }

  TemporaryFolder folder_;
};

Index lines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n');
}

}  // namespace

TEST_CASE("program: one broken picture among others keeps the others' tokens") {
  const Pictures whole;
  for (const std::string output : {"t.npy", "t.jsonl", "t.txt"}) {
    CAPTURE(output);
    REQUIRE(whole.encode(output).code == 0);
    CHECK(whole.journals().empty());

    const Pictures pictures("c");
    const Outcome failed = pictures.encode(output);
    CAPTURE(failed.err);
    CHECK(failed.code == 1);
    CHECK(failed.one_line_error());
    CHECK(contains(failed.err, output + ": found 1 of 6 images that cannot be read (" + pictures.file('c').string()));
    CHECK(contains(failed.err, "the tokens of 5 are kept"));
    CHECK_FALSE(std::filesystem::exists(pictures / output.c_str()));
    CHECK(pictures.journals().size() == 1);

    // Of a kept picture nothing is read again.
    const auto time = std::filesystem::last_write_time(pictures.file('a'));
    const std::string bytes = read_bytes(pictures.file('a'));
    write_bytes(pictures.file('a'), std::string(bytes.size(), 'x'));
    std::filesystem::last_write_time(pictures.file('a'), time);
    pictures.mend('c');
    const Outcome again = pictures.encode(output);
    CHECK_MESSAGE(again.code == 0, again.err);
    if (output != "t.jsonl")
      CHECK(read_bytes(pictures / output.c_str()) == read_bytes(whole / output.c_str()));
    else
      CHECK(lines(read_bytes(pictures / output.c_str())) == 6);
    CHECK(pictures.journals().empty());
    // But of one that changed.
    CHECK(contains(pictures.encode(output, "--filter bilinear").err, "a.png: found "));
  }
}

TEST_CASE("program: --skip-broken leaves out, names and counts broken pictures") {
  const Pictures pictures("be"), whole;
  REQUIRE(whole.encode("t.txt").code == 0);
  const Outcome skipped = pictures.encode("t.txt", "--skip-broken");
  CAPTURE(skipped.err);
  CHECK(skipped.code == 0);
  CHECK(contains(skipped.err, pictures.file('b').string()));
  CHECK(contains(skipped.err, pictures.file('e').string()));
  CHECK(contains(skipped.err, "left out 2 of 6 images"));
  CHECK(lines(read_bytes(pictures / "t.txt")) == 4);
  CHECK(pictures.journals().empty());
  REQUIRE(pictures.encode("t.npy", "--skip-broken").code == 0);
  CHECK(NpyFile(pictures / "t.npy").shape() == std::vector<Index>{4, 16});
  // On the standard output, what can be encoded is printed in any case.
  const std::string to_pipe = "encode" + with_model + quoted(pictures.folder());
  const Outcome printed = run_program(to_pipe), printed_skipping = run_program(to_pipe + " --skip-broken");
  CHECK(printed.code == 1);
  CHECK(printed_skipping.code == 0);
  CHECK(printed.out == read_bytes(pictures / "t.txt"));
  CHECK(printed_skipping.out == printed.out);
  // Only broken ones.
  const Pictures none("abcdef");
  const Outcome all = none.encode("t.npy", "--skip-broken");
  CHECK(all.code == 1);
  CHECK(contains(all.err, "found 6 of 6 images that cannot be read"));
  CHECK_FALSE(std::filesystem::exists(none / "t.npy"));
  CHECK(none.journals().empty());
}

TEST_CASE("program: kept tokens of other options are not used") {
  const Pictures pictures("f"), whole;
  REQUIRE(pictures.encode("t.txt").code == 1);
  pictures.mend('f');
  REQUIRE(pictures.encode("t.txt", "--filter bilinear").code == 0);
  REQUIRE(whole.encode("t.txt", "--filter bilinear").code == 0);
  CHECK(read_bytes(pictures / "t.txt") == read_bytes(whole / "t.txt"));
  CHECK(pictures.journals().empty());
}

TEST_CASE("program: a journal that was torn or changed is used up to there") {
  const Pictures whole;
  REQUIRE(whole.encode("t.txt").code == 0);
  for (const int change : {0, 1, 2, 3}) {
    CAPTURE(change);
    const Pictures pictures("c");
    REQUIRE(pictures.encode("t.txt").code == 1);
    const auto journal = pictures.journals().at(0);
    std::string bytes = read_bytes(journal);
    if (change == 0) bytes.resize(bytes.size() - 7);
    if (change == 1) bytes[bytes.size() / 2] ^= 1;
    if (change == 2) bytes += std::string(12, '\xff');
    if (change == 3) bytes.resize(9);
    write_bytes(journal, bytes);
    pictures.mend('c');
    const Outcome outcome = pictures.encode("t.txt");
    CHECK_MESSAGE(outcome.code == 0, outcome.err);
    CHECK(read_bytes(pictures / "t.txt") == read_bytes(whole / "t.txt"));
    CHECK(pictures.journals().empty());
  }
}

TEST_CASE("program: what is no journal of tessera's is left alone") {
  const Pictures pictures("c");
  REQUIRE(pictures.encode("t.txt").code == 1);
  const auto journal = pictures.journals().at(0);
  const auto refused = [&](const char* why) {
    const Outcome outcome = pictures.encode("t.txt");
    CAPTURE(outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.one_line_error());
    CHECK(contains(outcome.err, why));
  };
  {
    const int other = ::open(journal.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(::flock(other, LOCK_EX | LOCK_NB) == 0);
    refused("found another program that is using it");
    ::close(other);
  }
  std::filesystem::create_hard_link(journal, pictures / "link");
  refused("found something that tessera did not make");
  std::filesystem::remove(pictures / "link");
  write_bytes(journal, "precious");
  refused("found something that tessera did not make");
  CHECK(read_bytes(journal) == "precious");
  std::filesystem::remove(journal);
  write_bytes(pictures / "mine", "precious");
  std::filesystem::create_symlink(pictures / "mine", journal);
  refused("symbolic links");
  CHECK(read_bytes(pictures / "mine") == "precious");
}

TEST_CASE("program: continuous tokens and draws are kept, too") {
  const std::string told = " --threads 2 --model " + quoted(golden("tiny_titok_vae")) + " ";
  for (const std::string sample : {"", " --sample 5"}) {
    const Pictures pictures("b"), whole;
    const auto encode = [&](const Pictures& of) {
      return run_program("encode" + told + quoted(of.folder()) + sample + " -o " + quoted(of / "t.npy")).code;
    };
    REQUIRE(encode(whole) == 0);
    REQUIRE(encode(pictures) == 1);
    pictures.mend('b');
    REQUIRE(encode(pictures) == 0);
    CHECK(read_bytes(pictures / "t.npy") == read_bytes(whole / "t.npy"));
  }
}

TEST_CASE("program: an image of numbers that are not finite is refused by every command, or left out") {
  const TemporaryFolder folder;
  const NpyFile input(golden("tiny_patch") / "input.npy");
  std::vector<float> values(input.values<float>().begin(), input.values<float>().end());
  values[values.size() / 2] = std::nanf("");
  write_npy<float>(folder / "nan.npy", input.shape(), View<const float>(values));
  const std::string array = quoted(folder / "nan.npy");
  for (const std::string& command : {"encode" + with_model + array + " -o " + quoted(folder / "t.npy"),
                                     "reconstruct" + with_model + array + " -o " + quoted(folder / "pairs"),
                                     "info " + quoted(golden("tiny_patch")) + " --images " + array}) {
    CAPTURE(command);
    const Outcome outcome = run_program(command);
    CAPTURE(outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.one_line_error());
    CHECK(contains(outcome.err, "nan in image "));
    const Outcome skipped = run_program(command + " --skip-broken");
    CHECK_MESSAGE(skipped.code == 0, skipped.err);
    CHECK(contains(skipped.err, "left out 1 of "));
  }
  CHECK(NpyFile(folder / "t.npy").shape()[0] == input.shape()[0] - 1);
}
