// RUN/log.jsonl.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

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

  /// object: JSON text. Throws Error(file_access), for example on a full disk; then nothing of it is in the file.
  void write(std::string_view object);

 private:
  std::filesystem::path path_;
  int descriptor_;
};

}  // namespace program
