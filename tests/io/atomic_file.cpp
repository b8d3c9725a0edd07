#include <tessera/io/atomic_file.hpp>

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

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

TEST_CASE("AtomicFile leaves files beside its own alone: the user's a.tmp, links, fifos") {
  const TemporaryFolder folder;
  write_bytes(folder / "a.tmp", "the user's");
  std::filesystem::create_hard_link(folder / "a.tmp", folder / "b.tmp");
  std::filesystem::create_symlink("a.tmp", folder / "c.tmp");
  REQUIRE(::mkfifo((folder / "d.tmp").c_str(), 0600) == 0);
  for (const char* name : {"a", "b", "c", "d"}) {
    AtomicFile file(folder / name);
    file.write("new");
    file.commit();
    CHECK(read_bytes(folder / name) == "new");
  }
  CHECK(read_bytes(folder / "a.tmp") == "the user's");
  CHECK(std::filesystem::hard_link_count(folder / "a.tmp") == 2);
  CHECK(std::filesystem::is_symlink(folder / "c.tmp"));
  CHECK(files_in(folder.path()) == 8);
}

TEST_CASE("AtomicFile replaces one name of a file with several, not the others") {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "old");
  std::filesystem::create_hard_link(folder / "a", folder / "other");
  AtomicFile file(folder / "a");
  file.write("new");
  file.commit();
  CHECK(read_bytes(folder / "a") == "new");
  CHECK(read_bytes(folder / "other") == "old");
}

TEST_CASE("AtomicFile writes whole files for two writers of one path") {
  const TemporaryFolder folder;
  AtomicFile first(folder / "a"), second(folder / "a");
  first.write("first");
  second.write("second");
  first.commit();
  CHECK(read_bytes(folder / "a") == "first");
  second.commit();
  CHECK(read_bytes(folder / "a") == "second");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("AtomicFile writes every name that the file system takes") {
  const TemporaryFolder folder;
  for (const std::size_t length : {std::size_t{251}, std::size_t{252}, std::size_t{255}}) {
    const std::string name(length, 'n');
    for (const char* content : {"new", "replaced"}) {
      AtomicFile file(folder / name);
      file.write(content);
      file.commit();
      CHECK(read_bytes(folder / name) == content);
    }
  }
  const std::string too_long = error_line([&] { AtomicFile file(folder / std::string(256, 'n')); });
  CHECK(contains(too_long, "File name too long"));
  CHECK(files_in(folder.path()) == 3);
}

TEST_CASE("AtomicFile keeps the mode and the owner of the file that it replaces") {
  const TemporaryFolder folder;
  for (const ::mode_t mode : {0600, 0640, 0666, 0222, 0755}) {
    CAPTURE(mode);
    write_bytes(folder / "a", "old");
    REQUIRE(::chmod((folder / "a").c_str(), mode) == 0);
    const bool superuser = ::geteuid() == 0 && ::chown((folder / "a").c_str(), 4321, 8765) == 0;
    AtomicFile file(folder / "a");
    file.write("new");
    file.commit();
    struct stat status {};
    REQUIRE(::stat((folder / "a").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == mode);
    if (superuser) CHECK(status.st_uid == 4321);
    if (superuser) CHECK(status.st_gid == 8765);
    std::filesystem::remove(folder / "a");
  }
}

TEST_CASE("AtomicFile makes new files as the umask says") {
  const TemporaryFolder folder;
  const ::mode_t before = ::umask(027);
  AtomicFile file(folder / "a");
  file.commit();
  ::umask(before);
  struct stat status {};
  REQUIRE(::stat((folder / "a").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0640);
}

TEST_CASE("AtomicFile refuses to replace a file without write permission, before and after it is written") {
  const TemporaryFolder folder;
  write_bytes(folder / "a", "old");
  REQUIRE(::chmod((folder / "a").c_str(), 0444) == 0);
  CHECK(contains(error_line([&] { AtomicFile file(folder / "a"); }), "a file without write permission"));
  REQUIRE(::chmod((folder / "a").c_str(), 0644) == 0);
  {
    AtomicFile file(folder / "a");
    file.write("new");
    REQUIRE(::chmod((folder / "a").c_str(), 0444) == 0);
    CHECK(contains(error_line([&] { file.commit(); }), "a file without write permission"));
  }
  CHECK(read_bytes(folder / "a") == "old");
  CHECK(files_in(folder.path()) == 1);
}

TEST_CASE("AtomicFile names what ends a write, and leaves nothing behind") {
  const TemporaryFolder folder;
  ::rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const ::rlimit small{1000, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string line = error_line([&] {
    AtomicFile file(folder / "a");
    file.write(std::string(5000, 'x'));
  });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  CHECK(contains(line, "File too large"));
  CHECK(files_in(folder.path()) == 0);
}

TEST_CASE("AtomicFile leaves nothing where the place was taken meanwhile") {
  const TemporaryFolder folder;
  {
    AtomicFile file(folder / "a");
    file.write("new");
    std::filesystem::create_directory(folder / "a");
    CHECK(contains(error_line([&] { file.commit(); }), "not a regular file"));
  }
  CHECK(files_in(folder.path()) == 1);
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
