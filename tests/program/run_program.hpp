// Runs the built program and keeps what it says.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>

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

/// Waits for what another process does, up to a minute.
inline void wait_until(const std::function<bool()>& holds) {
  for (int i = 0; i < 6000 && !holds(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  REQUIRE(holds());
}

/// Runs the program and sends it `signal` once `file` has a line. ignored: it starts with the signal ignored.
inline Outcome run_and_signal(const std::string& arguments, const std::string& signal,
                              const std::filesystem::path& file, bool ignored = false) {
  // -m: else bash starts programs in the background with SIGINT ignored.
  const std::string script = (ignored ? "trap \"\" " + signal + "; " : std::string()) +
                             "set -m; \"$@\" & until grep -qs . \"$0\"; do sleep 0.01; done; kill -s " + signal +
                             " %1; wait %1";
  return run_program(arguments, "timeout 100 bash -c " + quoted(std::filesystem::path(script)) + " " + quoted(file));
}

inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(TESSERA_TEST_DATA) / "golden" / name;
}

}  // namespace tessera_test
