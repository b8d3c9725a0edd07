// The lines of a text file, one after the other, without the whole file in memory.
#pragma once

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>

#include <tessera/core/types.hpp>
#include <tessera/io/read_file.hpp>

namespace tessera {

/// Reads a UTF-8 text; a byte order mark at its start is skipped.
class LineReader {
 public:
  /// Throws Error(file_access) as FileReader.
  explicit LineReader(const std::filesystem::path& path) : file_(path) {
    fill();
    if (std::string_view(buffer_).starts_with("\xef\xbb\xbf")) at_ = 3;
  }

  /// The file's first bytes, before the first call of next().
  [[nodiscard]] View<const std::byte> start() const {
    return std::as_bytes(View<const char>(buffer_.data(), buffer_.size()));
  }

  /// Whether there is another line; `line`, without its end (\n or \r\n), is valid until the next call. Throws
  /// Error(file_access) if it cannot be read.
  bool next(std::string_view& line) {
    std::size_t end = buffer_.find('\n', at_);
    while (end == std::string::npos && !ended_) {
      buffer_.erase(0, at_);
      at_ = 0;
      const std::size_t searched = buffer_.size();
      fill();
      end = buffer_.find('\n', searched);
    }
    if (at_ == buffer_.size()) return false;
    end = std::min(end, buffer_.size());
    line = std::string_view(buffer_).substr(at_, end - at_);
    at_ = std::min(end + 1, buffer_.size());
    if (line.ends_with('\r')) line.remove_suffix(1);
    return true;
  }

 private:
  void fill() {
    constexpr std::size_t chunk = std::size_t{1} << 20;
    const std::size_t old = buffer_.size();
    buffer_.resize(old + chunk);
    const std::size_t count = file_.read(read_, std::as_writable_bytes(View<char>(buffer_).subspan(old)));
    buffer_.resize(old + count);
    read_ += count;
    ended_ = count < chunk;
  }

  FileReader file_;
  std::string buffer_;
  std::size_t at_ = 0, read_ = 0;  // in the buffer; of the file
  bool ended_ = false;
};

}  // namespace tessera
