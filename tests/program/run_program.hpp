// Runs the built program and keeps what it says.
#pragma once

#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <files.hpp>

namespace tessera_test {

struct Outcome {
  int code = -1;  ///< exit code; -1: it was killed
  std::string out, err;

  [[nodiscard]] bool one_line_error() const {
    return std::count(err.begin(), err.end(), '\n') == 1 && err.starts_with("tessera: ") && err.ends_with('\n');
  }
};

inline std::string quoted(const std::filesystem::path& path) {
  return "'" + path.string() + "'";
}

/// prefix: what stands before the program's name, for example `timeout 1`.
inline Outcome run_program(const std::string& arguments, const std::string& prefix = "") {
  const TemporaryFolder folder;
  const std::string command = prefix + " " + quoted(TESSERA_PROGRAM) + " " + arguments + " > " +
                              quoted(folder / "out") + " 2> " + quoted(folder / "err") + " < /dev/null";
  const int status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_bytes(folder / "out"), read_bytes(folder / "err")};
}

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(TESSERA_TEST_DATA) / "golden" / name;
}

}  // namespace tessera_test
