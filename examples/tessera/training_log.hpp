// RUN/log.jsonl and the progress line.
#pragma once

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

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

  /// Throws Error(file_access).
  void write(const nlohmann::ordered_json& line);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// Loss, images a second and the time left, on stderr: one line that changes on a terminal, else a line now and then.
class Progress {
 public:
  Progress(Index first_step, Index steps, Index images_per_step);

  void show(const tessera::StepReport& report);
  void finish();
  [[nodiscard]] double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;

  Index first_step_, steps_, images_per_step_;
  bool terminal_;
  Clock::time_point start_ = Clock::now();
  std::optional<Clock::time_point> shown_{};
};

}  // namespace program
