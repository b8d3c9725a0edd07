// Writing a file so that a reader, or a crash, sees the old content or the new, and never a part.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/random.h>
#endif

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/io/system_call.hpp>

namespace tessera {

/// Collects bytes in a file without a name and puts them in the place of `path` on commit(): fsync, a random name
/// beside `path`, rename, fsync of the folder. Without commit() nothing is left. (File systems that have no files
/// without names give it the random name from the start; there a killed process leaves `.tessera-` and 16 hexadecimal
/// digits.)
///
/// A file that is replaced keeps its mode, and its owner as far as the process may set it. New files get 0666 less the
/// umask. Of two writers of one path each writes a whole file, and the last commit stays.
class AtomicFile {
 public:
  /// Throws Error(file_access) if the folder cannot be written, or the path is something else than a regular file or
  /// has no write permission. A symbolic link is kept; the file that it names is replaced, or made.
  explicit AtomicFile(const std::filesystem::path& path) : target_(path) {
    follow_links();
    name_ = target_.filename();
    const std::filesystem::path folder = target_.has_parent_path() ? target_.parent_path() : ".";
    folder_.reset(open_retried(AT_FDCWD, folder.c_str(), O_RDONLY | O_DIRECTORY));
#ifdef O_PATH  // a folder may be writable and not readable
    if (!folder_ && errno == EACCES) folder_.reset(open_retried(AT_FDCWD, folder.c_str(), O_PATH | O_DIRECTORY));
#endif
    if (!folder_) fail(std::strerror(errno));
    struct stat replaced {};
    open_temporary(find_replaced(replaced) ? 0600 : 0666);
  }

  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  ~AtomicFile() {
    remove_temporary();
  }

  /// Appends. Throws Error(file_access), for example when the disk is full.
  void write(View<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ::ssize_t written =
          detail::retry_interrupted([&] { return ::write(file_.get(), bytes.data(), bytes.size()); });
      if (written < 0) fail(std::strerror(errno));
      if (written == 0) fail("a file that takes no more bytes");
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
  void write(std::string_view text) {
    write(std::as_bytes(View<const char>(text.data(), text.size())));
  }

  /// Makes the content durable and visible under the path. Throws Error(file_access); then `path` is as it was.
  void commit() {
    keep_permissions();
    if (detail::retry_interrupted([&] { return ::fsync(file_.get()); }) != 0) fail(std::strerror(errno));
    if (temporary_[0] == '\0') link_temporary();
    const auto rename = [&] { return ::renameat(folder_.get(), temporary_, folder_.get(), name_.c_str()); };
    if (detail::retry_interrupted(rename) != 0) {
      const int error = errno;
      remove_temporary();
      fail(std::strerror(error));
    }
    temporary_[0] = '\0';
    file_.reset();
    // The rename has succeeded, even where a file system cannot sync a folder.
    (void)detail::retry_interrupted([&] { return ::fsync(folder_.get()); });
  }

 private:
  class Descriptor {
   public:
    Descriptor() = default;
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { reset(); }
    void reset(int descriptor = -1) noexcept {
      const int old = std::exchange(descriptor_, descriptor), error = errno;
      if (old >= 0) ::close(old);
      errno = error;
    }
    [[nodiscard]] int get() const noexcept { return descriptor_; }
    explicit operator bool() const noexcept { return descriptor_ >= 0; }

   private:
    int descriptor_ = -1;
  };

  /// The links of a path that Linux follows.
  static constexpr int most_links = 40;

  static int open_retried(int folder, const char* name, int flags, ::mode_t mode = 0) {
    return detail::retry_interrupted([&] { return ::openat(folder, name, flags | O_CLOEXEC, mode); });
  }

  /// Makes target_ the regular file, or what could become one, behind any symbolic links.
  void follow_links() {
    for (int links = 0; links <= most_links; ++links) {
      std::error_code error;
      const auto status = std::filesystem::symlink_status(target_, error);
      if (status.type() == std::filesystem::file_type::none) fail(error.message());
      if (!std::filesystem::is_symlink(status)) return;
      const std::filesystem::path behind = std::filesystem::read_symlink(target_, error);
      if (error) fail(error.message());
      target_ = target_.parent_path() / behind;
    }
    fail("symbolic links that lead to one another");
  }

  /// Whether there is a file to replace, and which. Throws Error(file_access) where it must not be.
  [[nodiscard]] bool find_replaced(struct stat& replaced) const {
    if (::fstatat(folder_.get(), name_.c_str(), &replaced, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT || name_.empty()) fail(std::strerror(errno));
      return false;
    }
    if (!S_ISREG(replaced.st_mode)) fail("something that is not a regular file");
    // Root could write it; a read-only file is still refused.
    if ((replaced.st_mode & 0222) == 0) fail("a file without write permission");
    if (::faccessat(folder_.get(), name_.c_str(), W_OK, AT_EACCESS) != 0) fail(std::strerror(errno));
    return true;
  }

  void open_temporary(::mode_t mode) {
#ifdef O_TMPFILE
    file_.reset(open_retried(folder_.get(), ".", O_WRONLY | O_TMPFILE, mode));
    if (file_ && can_be_linked()) return;
    file_.reset();
#endif
    do {
      choose_name();
      file_.reset(open_retried(folder_.get(), temporary_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
    } while (!file_ && errno == EEXIST);
    if (file_) return;
    temporary_[0] = '\0';
    fail(std::strerror(errno));
  }

  /// Only /proc gives a file without a name one.
  [[nodiscard]] bool can_be_linked() const {
    struct stat by_descriptor {
    }, by_path{};
    return ::fstat(file_.get(), &by_descriptor) == 0 && ::stat(descriptor_path().text, &by_path) == 0 &&
           by_descriptor.st_ino == by_path.st_ino && by_descriptor.st_dev == by_path.st_dev;
  }

  void link_temporary() {
    const DescriptorPath path = descriptor_path();
    int result = 0;
    do {
      choose_name();
      result = detail::retry_interrupted(
          [&] { return ::linkat(AT_FDCWD, path.text, folder_.get(), temporary_, AT_SYMLINK_FOLLOW); });
    } while (result != 0 && errno == EEXIST);
    if (result == 0) return;
    temporary_[0] = '\0';
    fail(std::strerror(errno));
  }

  /// A name that nobody else has, and that fits wherever the target's fits.
  void choose_name() {
    std::uint64_t number = 0;
#ifdef __linux__
    const bool drawn = ::getrandom(&number, sizeof number, 0) == sizeof number;
#else
    const bool drawn = false;
#endif
    if (!drawn) {
      number = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) ^
               static_cast<std::uint64_t>(::getpid()) << 40;
    }
    std::snprintf(temporary_, sizeof temporary_, ".tessera-%016llx", static_cast<unsigned long long>(number));
  }

  /// Gives the file the owner and the mode of the one that it replaces; where it cannot have the group, the group may
  /// do no more than everybody.
  void keep_permissions() const {
    struct stat replaced {};
    if (!find_replaced(replaced)) return;
    ::mode_t mode = replaced.st_mode & 0777;
    const bool whole = ::fchown(file_.get(), replaced.st_uid, replaced.st_gid) == 0;
    const bool group = whole || ::fchown(file_.get(), static_cast<::uid_t>(-1), replaced.st_gid) == 0;
    if (!group) mode &= 0707 | (mode & 07) << 3;
    if (::fchmod(file_.get(), mode) == 0) return;
    // Some file systems keep no modes; but nobody may do more with the new file than with the old one.
    const int error = errno;
    struct stat made {};
    if (::fstat(file_.get(), &made) != 0 || (made.st_mode & 0777 & ~mode) != 0) fail(std::strerror(error));
  }

  void remove_temporary() noexcept {
    if (temporary_[0] != '\0') ::unlinkat(folder_.get(), temporary_, 0);
    temporary_[0] = '\0';
  }

  struct DescriptorPath {
    char text[32];
  };
  [[nodiscard]] DescriptorPath descriptor_path() const {
    DescriptorPath path{};
    std::snprintf(path.text, sizeof path.text, "/proc/self/fd/%d", file_.get());
    return path;
  }

  [[noreturn]] void fail(std::string_view found) const {
    throw Error(ErrorCode::file_access, target_.string(), found, "a file that can be written");
  }

  std::filesystem::path target_, name_;
  Descriptor folder_, file_;
  char temporary_[32] = "";  // the file's own name, where it has one
};

}  // namespace tessera
