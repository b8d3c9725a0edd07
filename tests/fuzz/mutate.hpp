// Mutated files: each must load, or end in a tessera::Error of one line. Anything else (another exception, a crash, a
// sanitizer's report) fails. Seeded, so that a failure can be repeated; TESSERA_FUZZ_FILES in the environment sets the
// number of files per format (1000).
#pragma once

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/core/error.hpp>

#include <files.hpp>

namespace tessera_test {

using Seeds = std::vector<std::string>;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  /// 0 <= result < count.
  std::size_t below(std::size_t count) { return count > 0 ? engine_() % count : 0; }
  char byte() { return static_cast<char>(engine_()); }

 private:
  std::mt19937_64 engine_;
};

/// Numbers around the limits of integer types and sizes.
inline constexpr std::array<std::uint64_t, 20> limits = {
    0,       1,          2,          7,          0x7f,        0x80,       0xff,       0x7fff,     0x8000,    0xffff,
    0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 1ull << 62, ~0ull >> 1, 1ull << 63, ~0ull - 7, ~0ull};

inline void overwrite_number(Random& random, std::string& bytes) {
  const std::size_t width = std::size_t{1} << random.below(4);  // 1, 2, 4, 8
  if (bytes.size() < width) return;
  const bool start = random.below(4) == 0;  // where lengths and versions are
  const std::size_t at = start ? random.below(std::min<std::size_t>(16, bytes.size() - width + 1))
                               : random.below(bytes.size() - width + 1);
  const std::uint64_t number = limits[random.below(limits.size())];
  const bool little = random.below(2) == 0;
  for (std::size_t i = 0; i < width; ++i) {
    bytes[at + i] = static_cast<char>(number >> (8 * (little ? i : width - 1 - i)));
  }
}

/// Replaces one number written in digits.
inline void edit_digits(Random& random, std::string& bytes) {
  constexpr auto digits = "0123456789";
  std::size_t begin = bytes.find_first_of(digits, random.below(bytes.size()));
  if (begin == std::string::npos) return;
  const std::size_t end = std::min(bytes.find_first_not_of(digits, begin), bytes.size());
  std::string number = std::to_string(limits[random.below(limits.size())]);
  if (random.below(8) == 0) number = "-" + number;
  if (random.below(8) == 0) number += "0";
  bytes.replace(begin, end - begin, number);
}

/// Copies, moves or removes a part.
inline void move_part(Random& random, std::string& bytes) {
  const std::size_t begin = random.below(bytes.size()), length = random.below(64) + 1;
  const std::string part = bytes.substr(begin, length);
  if (random.below(2) == 0) bytes.erase(begin, length);
  if (random.below(2) == 0) bytes.insert(random.below(bytes.size() + 1), part);
}

inline void mutate_bytes(Random& random, std::string& bytes) {
  for (std::size_t times = random.below(4) + 1; times > 0 && !bytes.empty(); --times) {
    switch (random.below(8)) {
      case 0:
        bytes.resize(random.below(bytes.size()));
        break;
      case 1:
        for (std::size_t n = random.below(16) + 1; n > 0; --n)
          bytes.insert(random.below(bytes.size()), 1, random.byte());
        break;
      case 2:
        bytes[random.below(bytes.size())] = random.byte();
        break;
      case 3:
        edit_digits(random, bytes);
        break;
      case 4:
        move_part(random, bytes);
        break;
      case 5:
      case 6:
        overwrite_number(random, bytes);
        break;
      default:
        for (std::size_t n = random.below(8) + 1; n > 0; --n) {
          char& byte = bytes[random.below(bytes.size())];
          byte = static_cast<char>(byte ^ (1 << random.below(8)));
        }
    }
  }
}

/// Memory that no small file may take, whatever it says of its sizes; that of the test itself counts.
inline constexpr long most_kilobytes = 1 << 20;

/// Half of the files are changed anywhere, half by `mutate_format`, which knows the format. `load` reads the file
/// called `name` in a folder that `prepare` may have put others into.
inline void run(
    const Seeds& seeds, const std::function<void(Random&, std::string&)>& mutate_format,
    const std::function<void(const std::filesystem::path&)>& load, const char* name = "mutant",
    const std::function<void(const std::filesystem::path&)>& prepare = [](const std::filesystem::path&) {}) {
  const char* count_text = std::getenv("TESSERA_FUZZ_FILES");
  const int count = count_text != nullptr ? std::atoi(count_text) : 1000;
  const TemporaryFolder folder;
  const auto path = folder / name;
  prepare(folder.path());
  for (const std::string& seed : seeds) {
    write_bytes(path, seed);
    REQUIRE_NOTHROW(load(path));
  }
  Random random(20240229);
  int loaded = 0, refused = 0;
  for (int number = 0; number < count; ++number) {
    CAPTURE(number);
    std::string bytes = seeds[random.below(seeds.size())];
    if (random.below(2) == 0)
      mutate_format(random, bytes);
    else
      mutate_bytes(random, bytes);
    write_bytes(path, bytes);
    try {
      load(path);
      ++loaded;
    } catch (const tessera::Error& error) {
      ++refused;
      const std::string_view line = error.what();
      REQUIRE(line.starts_with(folder.path().string()));
      REQUIRE(line.find_first_of("\n\r") == std::string_view::npos);
      REQUIRE(line.size() < 1300);
    }
  }
  ::rusage used{};
  REQUIRE(::getrusage(RUSAGE_SELF, &used) == 0);
  CHECK(used.ru_maxrss < most_kilobytes);
  // Else the mutations reach nothing, or break everything at the door.
  CHECK(loaded > count / 100);
  CHECK(refused > count / 4);
}

}  // namespace tessera_test
