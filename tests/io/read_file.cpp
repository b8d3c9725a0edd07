#include <tessera/io/read_file.hpp>

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <files.hpp>

using namespace tessera_test;

namespace {

std::string text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("read_file: all bytes, or a line that says why not") {
  const TemporaryFolder folder;
  write_bytes(folder / "five", "12345");
  write_bytes(folder / "none", "");
  CHECK(text(tessera::read_file(folder / "five", 5)) == "12345");
  CHECK(tessera::read_file(folder / "none", 0).empty());
  CHECK(contains(error_line([&] { tessera::read_file(folder / "five", 4); }), "found 5 bytes, expected at most 4"));
  CHECK(contains(error_line([&] { tessera::read_file(folder / "missing", 9); }), "No such file"));
  CHECK(
      contains(error_line([&] { tessera::read_file(folder.path(), 9); }), "found a folder, expected a readable file"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);  // nobody writes: it must not be waited for
  CHECK(contains(error_line([&] { tessera::read_file(folder / "pipe", 9); }), "not a regular file"));
}

TEST_CASE("read_file: a size that no memory has is refused before anything is allocated") {
  const TemporaryFolder folder;
  write_bytes(folder / "sparse", "");
  REQUIRE(::truncate((folder / "sparse").c_str(), ::off_t{1} << 42) == 0);
  CHECK(contains(error_line([&] { tessera::read_file(folder / "sparse", 1 << 20); }), "found 4398046511104 bytes"));
}

TEST_CASE("FileReader: a part, also where the file ends inside it") {
  const TemporaryFolder folder;
  write_bytes(folder / "five", "12345");
  const tessera::FileReader file(folder / "five");
  CHECK(file.size() == 5);
  std::vector<std::byte> part(3);
  CHECK(file.read(1, part) == 3);
  CHECK(text(part) == "234");
  CHECK(file.read(4, part) == 1);
  CHECK(file.read(9, part) == 0);
}

TEST_CASE("read_file: a file that shrinks or grows after it was opened is read as it is then") {
  const TemporaryFolder folder;
  write_bytes(folder / "changing", "0123456789");
  const tessera::FileReader file(folder / "changing");
  REQUIRE(::truncate((folder / "changing").c_str(), 4) == 0);
  CHECK(text(file.read_all(100)) == "0123");
  const std::string longer(200000, 'x');
  write_bytes(folder / "changing", longer);
  CHECK(text(file.read_all(1 << 20)) == longer);
  CHECK(text(file.read_all(200000)) == longer);
  CHECK(contains(error_line([&] { static_cast<void>(file.read_all(199999)); }), "expected at most 199999"));
}
