// Files that the program has mapped and that another program shortens: one line, and nothing made of what is gone.
#include "../../examples/tessera/mapped_files.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <chrono>
#include <functional>
#include <future>
#include <thread>

#include <tessera/core/layout.hpp>
#include <tessera/io/npy.hpp>
#include <tessera/io/safetensors.hpp>

#include "run_program.hpp"

using namespace tessera;
using namespace tessera_test;

namespace {

/// A .npy of images [count, 32, 32, 3] that are all zero and take no room on the disk.
void write_empty_images(const std::filesystem::path& path, Index count) {
  const Index one[] = {1, 32, 32, 3};
  write_npy<std::uint8_t>(path, one, std::vector<std::uint8_t>(32 * 32 * 3));
  std::string header = read_bytes(path).substr(0, 128);
  const std::string shape = "(1, ", wanted = "(" + std::to_string(count) + ", ";
  header.replace(header.find(shape), shape.size(), wanted);
  header.erase(header.rfind('\n') - (wanted.size() - shape.size()), wanted.size() - shape.size());
  write_bytes(path, header);
  std::filesystem::resize_file(path, 128 + static_cast<std::uintmax_t>(count) * 32 * 32 * 3);
}

/// Whether another process has mapped the file.
bool mapped_by_others(const std::filesystem::path& file) {
  for (const auto& process : std::filesystem::directory_iterator("/proc")) {
    const std::string name = process.path().filename();
    if (std::isdigit(static_cast<unsigned char>(name.front())) == 0 || name == std::to_string(::getpid())) continue;
    if (contains(read_bytes(process.path() / "maps"), file.string())) return true;
  }
  return false;
}

/// What check_mapped_files says after `read`, in a process of its own, since it says so from then on.
std::string line_after(const std::function<void()>& read) {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const ::pid_t child = ::fork();
  if (child == 0) {
    program::guard_mapped_files();
    read();
    const std::string line = error_line(program::check_mapped_files);
    ::_exit(::write(ends[1], line.data(), line.size()) == static_cast<::ssize_t>(line.size()) ? 0 : 1);
  }
  ::close(ends[1]);
  std::string line(4096, '\0');
  line.resize(static_cast<std::size_t>(std::max<::ssize_t>(0, ::read(ends[0], line.data(), line.size()))));
  ::close(ends[0]);
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  return line;
}

}  // namespace

TEST_CASE("program: reading a mapped file that was shortened gives zeros and one line that names it") {
  const TemporaryFolder folder;
  const Index count = 100000;
  const std::vector<float> ones(count, 1.0F);
  const auto array = folder / "array with spaces.npy", model = folder / "model.safetensors";
  write_npy<float>(array, View<const Index>(&count, 1), View<const float>(ones));
  const std::vector<TensorToWrite> tensors{tensor_to_write<float>("w", {count}, ones)};
  write_safetensors(model, tensors);
  const std::string says = ": found a file that another program shortened meanwhile, expected ";
  CHECK(line_after([&] {
          const NpyFile file(array);
          std::filesystem::resize_file(array, 5000);
          const View<const float> values = file.values<float>();
          if (values[0] != 1 || values[count - 1] != 0 || values[count / 2] != 0) ::_exit(3);
        }) == array.string() + says + "one that stays as it is while it is read");
  CHECK(contains(line_after([&] {
                   const SafetensorsFile file(model);
                   std::vector<float> values(count);
                   std::filesystem::resize_file(model, 5000);
                   file.read_float32(*file.find("w"), values);
                 }),
                 model.string() + says));
  // By many threads at once, in two files.
  write_npy<float>(array, View<const Index>(&count, 1), View<const float>(ones));
  const auto second = folder / "second.npy";
  std::filesystem::copy_file(array, second);
  CHECK(contains(line_after([&] {
                   const NpyFile files[] = {NpyFile(array), NpyFile(second)};
                   for (const auto& path : {array, second}) std::filesystem::resize_file(path, 5000);
                   std::vector<std::thread> threads;
                   for (Index part = 8; part-- > 0;) {
                     threads.emplace_back([&files, part] {
                       for (const NpyFile& file : files) {
                         for (const float x : slice(file.values<float>(), part * count / 8 + 2000, count / 8 - 2000))
                           if (x != 0) ::_exit(3);
                       }
                     });
                   }
                   for (std::thread& thread : threads) thread.join();
                 }),
                 says));
  write_npy<float>(array, View<const Index>(&count, 1), View<const float>(ones));
  CHECK(line_after([&] { (void)NpyFile(array).values<float>()[5]; }).empty());
}

TEST_CASE("program: a training array that is shortened ends the run saved") {
  const TemporaryFolder out;
  write_empty_images(out / "images.npy", 20000);
  auto run = std::async(std::launch::async, [&] {
    return run_program("train --preset tiny_patch --batch-size 8 --steps 1000000 --sample-every 0 --data " +
                           quoted(out / "images.npy") + " -o " + quoted(out / "run"),
                       "timeout 100");
  });
  wait_until([&] { return read_bytes(out / "run/log.jsonl").size() > 1000; });
  std::filesystem::resize_file(out / "images.npy", 128);
  const Outcome outcome = run.get();
  CAPTURE(outcome.err);
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.err, "images.npy: found a file that another program shortened meanwhile"));
  CHECK(contains(outcome.err, "saved after step "));
  CHECK(std::filesystem::exists(out / "run/checkpoint.safetensors"));
}

TEST_CASE("program: of an array that is shortened, nothing is encoded that was not read") {
  std::string skip;
  SUBCASE("") {}
  SUBCASE("with --skip-broken, too") {
    skip = " --skip-broken";
  }
  const TemporaryFolder out;
  write_empty_images(out / "images.npy", 200000);
  auto run = std::async(std::launch::async, [&] {
    return run_program("encode --threads 1 --model " + quoted(golden("tiny_patch")) + " " + quoted(out / "images.npy") +
                           " -o " + quoted(out / "tokens.npy") + skip,
                       "timeout 100");
  });
  wait_until([&] { return mapped_by_others(out / "images.npy"); });
  std::filesystem::resize_file(out / "images.npy", 128);
  const Outcome outcome = run.get();
  CAPTURE(outcome.err);
  CHECK(outcome.code == 1);
  CHECK(contains(outcome.err, "images.npy: found a file that another program shortened meanwhile"));
  CHECK_FALSE(std::filesystem::exists(out / "tokens.npy"));
}
