// RUN/log.jsonl and the progress line.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include <tessera/step_report.hpp>

#include "program.hpp"

namespace program {

/// One JSON object a step, each written out at once.
class TrainingLog {
 public:
  /// Keeps the lines of steps up to `steps_done` and appends after them: what a killed run logged after its checkpoint
  /// happens again. Throws Error(file_access).
  TrainingLog(std::filesystem::path path, Index steps_done);
  TrainingLog(const TrainingLog&) = delete;
  TrainingLog& operator=(const TrainingLog&) = delete;
  ~TrainingLog();

  /// Throws Error(file_access), for example on a full disk; then nothing of the line is in the file.
  void write(const nlohmann::ordered_json& line);

 private:
  std::filesystem::path path_;
  int descriptor_;
};

/// Loss, images a second and the time left, on stderr: one line that changes on a terminal, else a line now and then.
class Progress {
 public:
  Progress(Index first_step, Index steps, Index images_per_step);

  void show(const tessera::StepReport& report);
  /// Another line on stderr, not into the one that changes.
  void say(const std::string& line);
  /// Ends the line that changes.
  void finish();
  [[nodiscard]] double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  Index first_step_, steps_, images_per_step_;
  bool terminal_, in_line_ = false;
  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> shown_{};
};

}  // namespace program
