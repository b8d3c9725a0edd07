#include <tessera/io/atomic_file.hpp>

#include <doctest/doctest.h>

#include <files.hpp>

using tessera::AtomicFile;
using namespace tessera_test;

namespace {

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
}

}  // namespace

TEST_CASE("AtomicFile shows the old content until commit") {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new ");
    file.write("content");
    CHECK(read_bytes(folder / "a") == "old");
    file.commit();
    CHECK(read_bytes(folder / "a") == "new content");
  }
  CHECK(read_bytes(folder / "a") == "new content");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("AtomicFile without commit leaves nothing behind") {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "old");
  { AtomicFile(folder / "a").write("half"); }
  CHECK(read_bytes(folder / "a") == "old");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("AtomicFile overwrites what a killed run left") {
  const TemporaryFolder folder;
  write_bytes(folder / "a.tmp", "a very long rest of a killed run");
  AtomicFile file(folder / "a");
  file.write("new");
  file.commit();
  CHECK(read_bytes(folder / "a") == "new");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("AtomicFile refuses a second writer and does not disturb the first") {
  const TemporaryFolder folder;
  AtomicFile first(folder / "a");
  first.write("first");
  CHECK(contains(error_line([&] { AtomicFile second(folder / "a"); }), "another writer"));
  first.commit();
  CHECK(read_bytes(folder / "a") == "first");
  AtomicFile third(folder / "a");
  third.write("third");
  third.commit();
  CHECK(read_bytes(folder / "a") == "third");
}

TEST_CASE("AtomicFile keeps a symbolic link and replaces the file behind it") {
  const TemporaryFolder folder;
  write_bytes(folder / "real", "old");
  std::filesystem::create_symlink("real", folder / "link");
  AtomicFile file(folder / "link");
  file.write("new");
  file.commit();
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_bytes(folder / "real") == "new");
}

TEST_CASE("AtomicFile makes the file that a symbolic link names, through several links and out of other folders") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "deep");
  std::filesystem::create_symlink("deep/second", folder / "link");
  std::filesystem::create_symlink("../real", folder / "deep/second");
  AtomicFile file(folder / "link");
  file.write("new");
  file.commit();
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(std::filesystem::is_symlink(folder / "deep/second"));
  CHECK_FALSE(std::filesystem::is_symlink(folder / "real"));
  CHECK(read_bytes(folder / "real") == "new");
}

TEST_CASE("AtomicFile refuses links that lead nowhere") {
  const TemporaryFolder folder;
  std::filesystem::create_symlink("b", folder / "a");
  std::filesystem::create_symlink("a", folder / "b");
  CHECK(contains(error_line([&] { AtomicFile file(folder / "a"); }), "symbolic links that lead to one another"));
  std::filesystem::create_symlink("none/file", folder / "into_nothing");
  CHECK(contains(error_line([&] { AtomicFile file(folder / "into_nothing"); }), "No such file"));
  CHECK(std::filesystem::is_symlink(folder / "into_nothing"));
}

TEST_CASE("AtomicFile names the file that it cannot write") {
  const TemporaryFolder folder;
  const auto missing = folder / "no/such/folder/file";
  CHECK(contains(error_line([&] { AtomicFile file(missing); }), missing.string()));
  CHECK(contains(error_line([&] { AtomicFile file("/dev/null"); }), "not a regular file"));
  CHECK(contains(error_line([&] { AtomicFile file(folder.path()); }), "not a regular file"));
}
