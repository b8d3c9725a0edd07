// The library's one exception. It never prints, exits or aborts.
#pragma once

#include <algorithm>
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

/// The most bytes of a file's name, a value or any other part that an error line shows.
inline constexpr std::size_t most_shown = 400;

/// Copies a text as one line into `out` and returns the bytes that it takes: names from files may hold any bytes; line
/// breaks and other control characters become '?'. Of a text that does not fit, its start and its end are shown, with
/// " ... " between and UTF-8 characters whole. Allocates nothing. `out` has at least 16 bytes.
inline std::size_t one_line(std::string_view text, View<char> out) noexcept {
  constexpr std::string_view gap = " ... ";
  const auto inside_character = [&](std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80;
  };
  std::size_t head = text.size(), tail = text.size();
  if (text.size() > out.size()) {
    head = (out.size() - gap.size()) / 2;
    tail = text.size() - (out.size() - gap.size() - head);
    for (int i = 0; i < 3 && inside_character(head); ++i) --head;
    for (int i = 0; i < 3 && inside_character(tail); ++i) ++tail;
  }
  std::size_t size = 0;
  const auto append = [&](std::string_view part) {
    for (const char c : part) out[size++] = static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  };
  append(text.substr(0, head));
  if (head < text.size()) append(gap);
  append(text.substr(tail));
  return size;
}

/// The same as a string of at most `most` bytes.
inline std::string one_line(std::string_view text, std::size_t most = most_shown) {
  std::string line(std::min(text.size(), most), '\0');
  line.resize(one_line(text, View<char>(line)));
  return line;
}

/// What went wrong, in one line: the subject (a file, a tensor, an option), what was found, what was expected. Each is
/// shown with at most most_shown bytes.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string_view subject, std::string_view found, std::string_view expected)
      : std::runtime_error(one_line(subject)
                               .append(": found ")
                               .append(one_line(found))
                               .append(", expected ")
                               .append(one_line(expected))),
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
