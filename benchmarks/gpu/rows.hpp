// What the programs of this folder print for table.awk: one line of the table each, its fields between tabs. A program
// checks its results before it times them; where they are wrong it says so, goes on and ends with 1.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>

namespace tessera::benchmarks {

template <class... Values>
std::string text(const char* format, Values... values) {
  char line[256];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}

/// met: whether the target is met, where that is known here. What has a target as "1.3 x torch.compile" is compared by
/// table.awk, with the line of that name that peers.py prints.
inline void print_row(const std::string& name, double seconds, const std::string& found, const std::string& target = "",
                      const char* met = "") {
  const std::string milliseconds = seconds > 0 ? text("%.4g", seconds * 1e3) : "";
  std::printf("row\t%s\t%s\t%s\t%s\t%s\n", name.c_str(), milliseconds.c_str(), found.c_str(), target.c_str(), met);
  std::fflush(stdout);
}

inline const char* yes_or_no(bool met) {
  return met ? "yes" : "no";
}

/// Speed as a share of a measured rate, both in operations a second.
struct Share {
  double flops_per_second, rate;
  const char* of;  // what the rate is of

  [[nodiscard]] double percent() const { return 100 * flops_per_second / rate; }
  [[nodiscard]] std::string found() const {
    return text("%.4g TFLOP/s, %.0f %% of %s products", flops_per_second * 1e-12, percent(), of);
  }
};

/// wanted: percent of the rate; 0: no target.
inline void print_share(const std::string& name, double seconds, Share share, double wanted,
                        const std::string& before = "") {
  print_row(name, seconds, before + share.found(), wanted > 0 ? text("%.0f %%", wanted) : "",
            wanted > 0 ? yes_or_no(share.percent() >= wanted) : "");
}

/// Throws unless `good`.
inline void require(bool good, const std::string& what) {
  if (!good) throw std::runtime_error("wrong: " + what);
}

inline bool failed = false;

/// f(), which prints rows about `name`. A failure is one, too, and does not stop what comes after it.
template <class F>
void attempt(const std::string& name, F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    failed = true;
    print_row(name, 0, error.what(), "right results", "no");
  }
}

/// PROGRAM [divisor]: what the numbers of images and rows are divided by, for a card with less memory.
inline Index divisor(int argc, char** argv) {
  return argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
}

inline Index divided(Index count, Index divisor) {
  return std::max<Index>(1, count / divisor);
}

/// As peers.py writes it.
inline std::string images_text(Index count) {
  return text("%td image%s", count, count == 1 ? "" : "s");
}

/// f(divisor) -> what main returns.
template <class F>
int run_program(int argc, char** argv, F&& f) {
  attempt(std::filesystem::path(argv[0]).filename(), [&] { f(divisor(argc, argv)); });
  return failed ? 1 : 0;
}

}  // namespace tessera::benchmarks
