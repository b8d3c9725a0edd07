// Hashes that tell files and numbers apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include <tessera/core/types.hpp>

namespace program {

/// 64 bits of everything that is added in turn: FNV-1a, mixed at the end. No protection against forgery.
class Hash {
 public:
  Hash& add(tessera::View<const std::byte> bytes) {
    for (const std::byte byte : bytes) state_ = (state_ ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3;
    return *this;
  }
  Hash& add(std::uint64_t number) { return add(std::as_bytes(tessera::View<const std::uint64_t>(&number, 1))); }
  /// With its length, so that "ab", "c" is not "a", "bc".
  Hash& add(std::string_view text) {
    add(std::uint64_t{text.size()});
    return add(std::as_bytes(tessera::View<const char>(text.data(), text.size())));
  }

  [[nodiscard]] std::uint64_t value() const {
    std::uint64_t h = state_;  // the last step of splitmix64
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
    h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
    return h ^ (h >> 31);
  }
  /// FNV-1a as it is, in 16 hexadecimal digits.
  [[nodiscard]] std::string unmixed_text() const {
    char text[20];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(state_));
    return text;
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325;
};

}  // namespace program
