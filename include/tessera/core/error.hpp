// The library's one exception. It never prints, exits or aborts.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <tessera/core/types.hpp>

namespace tessera {

enum class ErrorCode {
  file_access,   ///< cannot open, read, write, or rename
  bad_file,      ///< the bytes are not what the format allows
  mismatch,      ///< a well-formed file or array does not fit this model
  bad_argument,  ///< a value outside its documented range
  device,        ///< a GPU refused or failed
};

/// As one line: names from files may hold any bytes; line breaks and other control characters become '?'.
inline std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return line;
}

/// What went wrong, in one line: the subject (a file, a tensor, an option), what was found, what was expected.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string_view subject, std::string_view found, std::string_view expected)
      : std::runtime_error(
            one_line(std::string(subject) + ": found " + std::string(found) + ", expected " + std::string(expected))),
        code_(code) {}

  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// Throws Error(bad_argument) where `found` is not the number expected. what: the things that are counted.
inline void check_count(std::string_view subject, std::string_view what, std::size_t found, Index expected) {
  if (found == static_cast<std::size_t>(expected)) return;
  throw Error(ErrorCode::bad_argument, subject, std::to_string(found) + " " + std::string(what),
              std::to_string(expected));
}

}  // namespace tessera
