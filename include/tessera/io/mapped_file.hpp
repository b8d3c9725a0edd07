// A file's bytes in memory, read-only.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/io/read_file.hpp>

namespace tessera {

/// How the bytes of a large file come into memory.
enum class FileAccess {
  /// Mapped: they take memory only while they are used, and others share it. The file must not be shortened meanwhile:
  /// a
  /// program that then reads the missing part gets SIGBUS, which a library cannot turn into an error. Files that are
  /// replaced by a rename (io/atomic_file.hpp) are safe, since the old file lives on until it is unmapped.
  map,
  /// Copied into memory of the program's own: what others do to the file afterwards does not matter.
  read,
};

/// A file's bytes from the start to the end that it has when this is made.
class MappedFile {
 public:
  /// Throws Error(file_access) if the path cannot be opened or read, or is not a regular file.
  explicit MappedFile(const std::filesystem::path& path, FileAccess access = FileAccess::map)
      : MappedFile(FileReader(path), path, access) {}

  /// The same of a file that is open already; `path` names it in errors.
  MappedFile(const FileReader& file, const std::filesystem::path& path, FileAccess access)
      : MappedFile(file.size(), access) {
    if (size_ == 0) return;
    const int protection = from_file_ ? PROT_READ : PROT_READ | PROT_WRITE;
    const int flags = from_file_ ? MAP_PRIVATE : MAP_PRIVATE | MAP_ANONYMOUS;
    void* const address = ::mmap(nullptr, size_, protection, flags, from_file_ ? file.descriptor() : -1, 0);
    if (address == MAP_FAILED) {
      throw Error(ErrorCode::file_access, path.string(), std::strerror(errno), "memory for the whole file");
    }
    data_ = static_cast<const std::byte*>(address);
    if (from_file_) return;
    if (file.read(0, {static_cast<std::byte*>(address), size_}) != size_) {
      throw Error(ErrorCode::file_access, path.string(), "a file that becomes shorter while it is read",
                  "a whole file");
    }
  }

  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        from_file_(other.from_file_) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(from_file_, other.from_file_);
    return *this;
  }
  ~MappedFile() {
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  }

  [[nodiscard]] View<const std::byte> bytes() const noexcept { return {data_, size_}; }

  /// Gives the memory behind a part of the mapped bytes back: it comes from the file again when somebody reads it.
  void release(View<const std::byte> part) const noexcept {
    static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t begin = static_cast<std::size_t>(part.data() - data_) / page * page;
    const std::size_t end = static_cast<std::size_t>(part.data() - data_) + part.size();
    if (from_file_ && part.size() > 0) ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
  }

 private:
  /// Once this is done, the destructor runs where the rest of a constructor throws.
  MappedFile(std::size_t size, FileAccess access) : size_(size), from_file_(access == FileAccess::map) {}

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool from_file_ = true;
};

}  // namespace tessera
