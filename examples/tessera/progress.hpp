// The progress line of long work on stderr.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "program.hpp"

namespace program {

/// How far the work is, images a second and the time left: one line that changes on a terminal, else a line now and
/// then. What is printed is never an error: a closed stderr ends no work.
class Progress {
 public:
  struct Work {
    const char* unit;  ///< what is counted: "image", "step"
    Index done, all;   ///< units, at the start and at the end
    Index images_per_unit = 1;
    std::chrono::milliseconds first_line{};  ///< shorter work has no line
  };
  explicit Progress(const Work& work);

  /// done: units so far, at least one more than at the start. detail: what else the line says.
  void show(Index done, const std::string& detail = "");
  [[nodiscard]] bool shown() const { return shown_.has_value(); }
  /// Another line on stderr, not into the one that changes.
  void say(const std::string& line);
  /// Ends the line that changes.
  void end_line();

  /// Between two lines.
  static std::chrono::milliseconds pause();

 private:
  using Clock = std::chrono::steady_clock;

  Work work_;
  bool in_line_ = false;
  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> shown_{};
};

}  // namespace program
