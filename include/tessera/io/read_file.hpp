// A regular file's bytes by read(): what others do to the file meanwhile can change the bytes, but cannot end the
// program, as it can with a mapped file.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>

namespace tessera {

/// An open regular file.
class FileReader {
 public:
  /// Throws Error(file_access) if the path cannot be opened or is not a regular file.
  explicit FileReader(const std::filesystem::path& path) : name_(path.string()) {
    do {
      descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe's writer is not waited for
    } while (descriptor_ < 0 && errno == EINTR);
    if (descriptor_ < 0) fail(std::strerror(errno));
    struct stat status {};
    const bool known = ::fstat(descriptor_, &status) == 0;
    const int error = errno;
    if (known && S_ISREG(status.st_mode)) {
      size_ = static_cast<std::size_t>(status.st_size);
      return;
    }
    ::close(std::exchange(descriptor_, -1));
    fail(!known ? std::strerror(error) : S_ISDIR(status.st_mode) ? "a folder" : "not a regular file");
  }
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;
  ~FileReader() { ::close(descriptor_); }

  /// Bytes, when the file was opened.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Open as long as this object lives.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

  /// Fills `out` with the bytes from `offset` on and returns how many there were: fewer than asked for only where the
  /// file ends. Throws Error(file_access) if they cannot be read.
  std::size_t read(std::size_t offset, View<std::byte> out) const {
    std::size_t done = 0;
    while (done < out.size()) {
      const auto at = static_cast<::off_t>(offset + done);
      const ::ssize_t count = ::pread(descriptor_, out.data() + done, out.size() - done, at);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) fail(std::strerror(errno));
      if (count == 0) break;
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  /// The whole file as it is now, where others write it meanwhile to the end that read() meets.
  /// Throws Error(file_access) if it cannot be read, Error(bad_file) where it has more than `most` bytes; that many are
  /// never allocated.
  [[nodiscard]] std::vector<std::byte> read_all(std::size_t most) const {
    const auto refuse = [&](std::size_t bytes) {
      throw Error(ErrorCode::bad_file, name_, std::to_string(bytes) + " bytes", "at most " + std::to_string(most));
    };
    if (size_ > most) refuse(size_);
    std::vector<std::byte> bytes(size_);
    bytes.resize(read(0, bytes));
    for (std::byte more; bytes.size() >= size_ && read(bytes.size(), {&more, 1}) == 1;) {  // it has grown
      if (bytes.size() >= most) refuse(bytes.size() + 1);
      const std::size_t old = bytes.size();
      bytes.resize(old + std::min<std::size_t>(std::size_t{1} << 16, most - old));
      bytes.resize(old + read(old, View<std::byte>(bytes).subspan(old)));
    }
    return bytes;
  }

 private:
  [[noreturn]] void fail(std::string_view found) const {
    throw Error(ErrorCode::file_access, name_, found, "a readable file");
  }

  std::string name_;
  int descriptor_ = -1;
  std::size_t size_ = 0;
};

/// The bytes of a regular file, at most `most`. Throws as FileReader does.
inline std::vector<std::byte> read_file(const std::filesystem::path& path, std::size_t most) {
  return FileReader(path).read_all(most);
}

}  // namespace tessera
