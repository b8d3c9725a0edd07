// Exit codes, and one line for every failure.
#include <doctest/doctest.h>

#include "run_program.hpp"

using namespace tessera_test;

TEST_CASE("program: wrong usage is exit code 2 and one line") {
  const std::string model = "--model " + quoted(golden("tiny_patch")) + " ",
                    input = quoted(golden("photos") / "coffee.png");
  const std::string array = quoted(golden("tiny_patch") / "input.npy");
  const std::string vae = "--model " + quoted(golden("tiny_titok_vae")) + " ",
                    text_aware = "--model " + quoted(golden("tiny_tatitok_vq")) + " ",
                    tokens = quoted(golden("tiny_tatitok_vq") / "tokens.npy"),
                    text = " --text " + quoted(golden("tiny_tatitok_vq") / "text.npy");
  for (const std::string& arguments :
       {std::string(),
        std::string("unknown"),
        std::string("encode"),
        "encode " + input,
        "encode " + model,
        "encode " + model + input + " --filter box",
        "encode " + model + input + " --decode-memory 0",
        "encode " + model + input + " --preset none",
        "encode " + model + input + " -o tokens.csv",
        "encode " + model + input + " " + array,
        "encode " + model + input + " --threads 0",
        "decode " + model + array,
        "info --jsn " + input,
        "train --preset tiny_patch --data " + array,
        "train --preset none -o run --data " + array,
        "train --preset tiny_patch -o run --steps 0 --data " + array,
        "train --preset tiny_patch -o run --steps many --data " + array,
        "train --preset tiny_patch -o run --lr -1 --data " + array,
        "train --preset tiny_patch -o run --schedule linear --data " + array,
        "train --preset tiny_patch -o run --augment rotate --data " + array,
        "train --preset tiny_patch -o run --train encoder --data " + array,
        "train --preset tiny_patch -o run --train decoder --revive-every 5 --data " + array,
        "encode " + vae + input,
        "encode " + vae + input + " -o tokens.txt",
        "encode " + model + input + " --sample 1",
        "encode " + vae + input + " -o x.npy --sample one",
        "encode " + vae + input + " -o x.npy --sample -1",
        "encode " + vae + input + " -o x.npy --sample 0x10",
        "encode " + vae + input + " -o x.npy --sample 18446744073709551616",
        "info " + quoted(golden("tiny_titok_vae")) + " --images " + input,
        "train --preset tiny_patch -o run --seed -1 --data " + array,
        "train --preset tiny_patch -o run --seed 18446744073709551616 --data " + array,
        "train --preset tiny_patch -o run --seed 1.5 --data " + array,
        "train --preset tiny_patch -o run --steps 1e3 --data " + array,
        "train --preset tiny_patch -o run --steps 9223372036854775808 --data " + array,
        "train --preset tiny_patch -o run --steps '' --data " + array,
        "train --preset tiny_patch -o run --lr nan --data " + array,
        "train --preset tiny_patch -o run --clip inf --data " + array,
        "train --preset tiny_patch -o run --eps 1e-400 --data " + array,
        "train --preset tiny_patch -o run --data-memory nan --data " + array,
        "train --preset tiny_patch -o run --data-memory inf --data " + array,
        "train --preset tiny_patch -o run --data-memory -1 --data " + array,
        "train --preset tiny_patch -o run --checkpoint-every 0 --data " + array,
        "train --preset tiny_patch -o run --sample-every -1 --data " + array,
        "train --preset tiny_patch -o run --threads 2x --data " + array,
        "train --preset tiny_patch -o run --threads 4294967297 --data " + array,
        "decode " + text_aware + tokens + " -o x.npy",
        "decode " + model + quoted(golden("tiny_patch") / "tokens.npy") + " -o x.npy" + text,
        "reconstruct " + text_aware + input + " -o x",
        "train --preset tiny_tatitok_vq -o run --data " + quoted(golden("tiny_tatitok_vq") / "input.npy")}) {
    CAPTURE(arguments);
    const Outcome outcome = run_program(arguments);
    CAPTURE(outcome.err);
    CHECK(outcome.code == 2);
    CHECK(outcome.one_line_error());
    CHECK(outcome.out.empty());
  }
  CHECK(run_program("--help").code == 0);
  CHECK(contains(run_program("train --help").out, "--codebook-start"));
  for (const char* help : {"--help", "train --help"}) CHECK(contains(run_program(help).out, "3 stopped by a signal"));
}

TEST_CASE("program: bad files are exit code 1 and one line that names them, and leave nothing behind") {
  const TemporaryFolder folder;
  const std::string bytes = read_bytes(golden("tiny_patch") / "model.safetensors");
  write_bytes(folder / "short.safetensors", bytes.substr(0, bytes.size() / 2));
  write_bytes(folder / "broken.png", read_bytes(golden("photos") / "coffee.png").substr(0, 5000));
  write_bytes(folder / "text.jpg", "no image");
  write_bytes(folder / "ids.txt", "1 2 3\n");
  write_bytes(folder / "file", "");
  std::filesystem::create_directory(folder / "empty");
  std::filesystem::create_directory(folder / "pictures");
  std::filesystem::copy(folder / "broken.png", folder / "pictures/broken.png");
  const std::string model = "--model " + quoted(golden("tiny_patch")) + " ",
                    photo = quoted(golden("photos") / "coffee.png");
  const auto in = [&](const char* name) { return quoted(folder / name); };
  const struct {
    std::string arguments, names;
  } cases[] = {
      {"info " + in("short.safetensors"), "short.safetensors"},
      {"info " + in("missing"), "missing"},
      {"info " + in("empty"), "empty"},
      {"info " + in("file"), "file"},
      {"info --preset one_token " + quoted(golden("tiny_patch")), "tiny_patch"},
      {"encode " + model + in("broken.png") + " -o " + in("out.npy"), "broken.png"},
      {"encode " + model + in("text.jpg"), "text.jpg"},
      {"encode " + model + in("missing.npy"), "missing.npy"},
      {"encode " + model + in("empty"), "empty"},
      {"encode " + model + quoted(golden("one_token") / "input.npy"), "input.npy"},
      {"encode " + model + photo + " -o " + in("none/out.npy"), "none/out.npy"},
      {"decode " + model + in("ids.txt") + " -o " + in("out"), "ids.txt"},
      {"decode " + model + quoted(golden("tiny_patch") / "tokens.npy") + " -o " + in("file"), "file"},
      {"decode --model " + quoted(golden("tiny_titok_vae")) + " " + quoted(golden("tiny_patch") / "tokens.npy") +
           " -o " + in("out"),
       "tokens.npy"},
      {"decode --model " + quoted(golden("tiny_tatitok_vq")) + " " + quoted(golden("tiny_tatitok_vq") / "tokens.npy") +
           " --text " + quoted(golden("tiny_titok_vae") / "input.npy") + " -o " + in("out"),
       "input.npy"},
      {"reconstruct " + model + in("broken.png") + " -o " + in("file"), "file"},
      {"train --preset tiny_patch --data " + in("missing") + " -o " + in("run"), "missing"},
      {"train --preset tiny_patch --data " + in("empty") + " -o " + in("run"), "empty"},
      {"train --preset tiny_patch --data " + in("pictures") + " -o " + in("run"), "broken.png"},
      {"train --preset one_token --data " + quoted(golden("tiny_patch") / "input.npy") + " -o " + in("run"),
       "input.npy"},
      {"train --preset tiny_patch --data " + quoted(golden("photos")) + " -o " + in("file"), "file"},
      {"train --preset tiny_patch --init " + in("short.safetensors") + " --data " + quoted(golden("photos")) + " -o " +
           in("run"),
       "short.safetensors"},
  };
  for (const auto& wrong : cases) {  // clang captures no structured bindings under OpenMP
    CAPTURE(wrong.arguments);
    const Outcome outcome = run_program(wrong.arguments);
    CAPTURE(outcome.err);
    CHECK(outcome.code == 1);
    CHECK(outcome.one_line_error());
    CHECK(contains(outcome.err, wrong.names));
    CHECK(outcome.out.empty());
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 7);  // as above
  }
  // On demand, broken photographs are left out.
  write_bytes(folder / "good.png", read_bytes(golden("photos") / "coffee.png"));
  const Outcome skipped = run_program("train --skip-broken --steps 1 --preset tiny_patch --data " +
                                      quoted(folder.path()) + " -o " + in("run"));
  CHECK(skipped.code == 0);
  CHECK(contains(skipped.err, "broken.png"));
}

TEST_CASE("program: --decode-memory bounds what one photograph takes") {
  const std::string encode = "encode --model " + quoted(golden("tiny_patch")) + " " +
                             quoted(golden("photos") / "coffee.png") + " --decode-memory ";
  const Outcome outcome = run_program(encode + "0.001");
  CHECK(outcome.code == 1);
  CHECK(outcome.one_line_error());
  CHECK(contains(outcome.err, " to decode, expected at most 2 MiB"));
  CHECK(run_program(encode + "0.01").code == 0);
}

TEST_CASE("program: no input is written over") {
  const TemporaryFolder folder;
  const std::string bytes = read_bytes(golden("photos") / "coffee.png");
  write_bytes(folder / "coffee.png", bytes);
  const Outcome outcome = run_program("reconstruct --model " + quoted(golden("tiny_patch")) + " " +
                                      quoted(folder / "coffee.png") + " -o " + quoted(folder.path()));
  CHECK(outcome.code == 2);
  CHECK(outcome.one_line_error());
  CHECK(read_bytes(folder / "coffee.png") == bytes);
}

TEST_CASE("program: arrays are not written over, and where a result cannot lie is said before the work") {
  const TemporaryFolder folder;
  const std::string array = read_bytes(golden("tiny_patch") / "input.npy");
  const std::string tokens = read_bytes(golden("tiny_patch") / "tokens.npy");
  write_bytes(folder / "input.npy", array);
  write_bytes(folder / "tokens.npy", tokens);
  const std::string model = " --model " + quoted(golden("tiny_patch")) + " ";
  const std::string encode = "encode" + model + quoted(folder / "input.npy") + " -o ";
  const std::string decode = "decode" + model + quoted(folder / "tokens.npy") + " -o ";
  CHECK(run_program(encode + quoted(folder / "." / "input.npy")).code == 2);
  CHECK(run_program(decode + quoted(folder / "tokens.npy")).code == 2);
  CHECK(read_bytes(folder / "input.npy") == array);
  CHECK(read_bytes(folder / "tokens.npy") == tokens);
  for (const std::string& command : {encode, decode}) {
    const Outcome outcome = run_program(command + quoted(folder / "none" / "out.npy"));
    CHECK(outcome.code == 1);
    CHECK(contains(outcome.err, "found no folder"));
  }
  std::filesystem::create_directory(folder / "folder.npy");
  CHECK(
      contains(run_program(encode + quoted(folder / "folder.npy")).err, "found something that is not a regular file"));
  CHECK(run_program("encode" + model + quoted(folder / "input.npy"), "sh -c '\"$@\" >&-' sh").code == 1);
}

TEST_CASE("program: a start of the codebook that would never come is refused") {
  const Outcome outcome =
      run_program("train --preset tiny_patch -o run --codebook-start kmeans --unquantized-steps 0 --data " +
                  quoted(golden("tiny_patch") / "input.npy"));
  CHECK(outcome.code == 2);
  CHECK(contains(outcome.err, "unquantized_steps"));
}
