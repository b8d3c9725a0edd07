// A file's bytes in memory, read-only.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <utility>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>

namespace tessera {

/// Maps a regular file read-only. The file must not be shortened by others while it is mapped; files that tessera
/// replaces (io/atomic_file.hpp) are safe, since a replaced file lives on until it is unmapped.
class MappedFile {
 public:
  /// Throws Error(file_access) if the path cannot be opened or is not a regular file.
  explicit MappedFile(const std::filesystem::path& path) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe's end is not waited for
    if (descriptor < 0) fail(path, std::strerror(errno));
    struct stat status {};
    const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
    size_ = regular ? static_cast<std::size_t>(status.st_size) : 0;
    void* address = size_ > 0 ? ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0) : nullptr;
    const int map_error = errno;
    ::close(descriptor);
    if (!regular) fail(path, "not a regular file");
    if (address == MAP_FAILED) fail(path, std::strerror(map_error));
    data_ = static_cast<const std::byte*>(address);
  }

  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  [[nodiscard]] View<const std::byte> bytes() const noexcept { return {data_, size_}; }

  /// Gives the memory behind a part of the bytes back: it comes from the file again when somebody reads it.
  void release(View<const std::byte> part) const noexcept {
    static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t begin = static_cast<std::size_t>(part.data() - data_) / page * page;
    const std::size_t end = static_cast<std::size_t>(part.data() - data_) + part.size();
    if (part.size() > 0) ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
  }

 private:
  [[noreturn]] static void fail(const std::filesystem::path& path, std::string_view found) {
    throw Error(ErrorCode::file_access, path.string(), found, "a readable file");
  }

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace tessera
