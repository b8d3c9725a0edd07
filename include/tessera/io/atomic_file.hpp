// Writing a file so that a reader, or a crash, sees the old content or the new, and never a part.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>

namespace tessera {

/// Collects bytes in `<path>.tmp` and puts them in the place of `path` on commit(): fsync, rename, fsync of the folder.
/// Without commit() the destructor removes the temporary file. A killed process may leave it; the next writer of the
/// same path overwrites it, so that killed runs never pile up files. Two writers of one path at a time are refused.
class AtomicFile {
 public:
  /// Throws Error(file_access) if the folder cannot be written, the path is something else than a regular file, or
  /// another AtomicFile is writing it. A symbolic link is kept; the file that it names is replaced, or made.
  explicit AtomicFile(const std::filesystem::path& path) : target_(path) {
    follow_links();
    temporary_ = target_;
    temporary_ += ".tmp";
    while (!lock_temporary()) {
    }
    if (::ftruncate(descriptor_, 0) != 0) close_and_fail(std::strerror(errno));
  }

  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  ~AtomicFile() {
    if (descriptor_ < 0) return;
    ::unlink(temporary_.c_str());
    ::close(descriptor_);
  }

  /// Appends. Throws Error(file_access), for example when the disk is full.
  void write(View<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ::ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno != EINTR) fail(std::strerror(errno));
      if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
  void write(std::string_view text) { write(std::as_bytes(View<const char>(text.data(), text.size()))); }

  /// Makes the content durable and visible under the path. Throws Error(file_access); then `path` is as it was.
  void commit() {
    if (::fsync(descriptor_) != 0) fail(std::strerror(errno));
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail(std::strerror(errno));
    ::close(std::exchange(descriptor_, -1));
    const std::filesystem::path folder = target_.has_parent_path() ? target_.parent_path() : ".";
    const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    // Some file systems cannot sync a folder; the rename has happened all the same.
    if (opened >= 0) {
      ::fsync(opened);
      ::close(opened);
    }
  }

 private:
  /// The links of a path that Linux follows.
  static constexpr int most_links = 40;

  /// Makes target_ the regular file, or what could become one, behind any symbolic links.
  void follow_links() {
    for (int links = 0; links <= most_links; ++links) {
      std::error_code error;
      const auto status = std::filesystem::symlink_status(target_, error);
      if (status.type() == std::filesystem::file_type::none) fail(error.message());
      if (!std::filesystem::is_symlink(status)) {
        if (exists(status) && !is_regular_file(status)) fail("something that is not a regular file");
        return;
      }
      const std::filesystem::path behind = std::filesystem::read_symlink(target_, error);
      if (error) fail(error.message());
      target_ = target_.parent_path() / behind;
    }
    fail("symbolic links that lead to one another");
  }

  /// False: the file that was opened has been renamed or removed by its writer before we held the lock; try again.
  bool lock_temporary() {
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor_ < 0) fail(std::strerror(errno));
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      close_and_fail(errno == EWOULDBLOCK ? "another writer of this file" : std::strerror(errno));
    }
    struct stat opened {
    }, named{};
    const bool same = ::fstat(descriptor_, &opened) == 0 && ::stat(temporary_.c_str(), &named) == 0 &&
                      opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
    if (!same) ::close(std::exchange(descriptor_, -1));
    return same;
  }

  /// Closes without unlinking: the temporary file belongs to another writer, or is not ours to remove.
  [[noreturn]] void close_and_fail(std::string_view found) {
    ::close(std::exchange(descriptor_, -1));
    fail(found);
  }
  [[noreturn]] void fail(std::string_view found) const {
    throw Error(ErrorCode::file_access, target_.string(), found, "a file that can be written");
  }

  std::filesystem::path target_, temporary_;
  int descriptor_ = -1;
};

}  // namespace tessera
