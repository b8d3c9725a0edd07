// Photographs that training leaves out because they are broken.
#pragma once

#include <cstdio>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <tessera/core/error.hpp>

#include "program.hpp"

namespace program {

/// Threads that read ahead add them; the run says which between its steps.
class BrokenPhotographs {
 public:
  BrokenPhotographs() = default;
  BrokenPhotographs(const BrokenPhotographs&) = delete;
  BrokenPhotographs& operator=(const BrokenPhotographs&) = delete;
  /// Says on stderr what has not been taken, and how many there were.
  ~BrokenPhotographs() {
    for (const std::string& line : lines_) std::fprintf(stderr, "%s\n", line.c_str());
    if (count_ > 0) std::fprintf(stderr, "skipped %td broken photograph%s\n", count_, count_ == 1 ? "" : "s");
  }

  void add(const tessera::Error& why) {
    const std::lock_guard lock(mutex_);
    ++count_;
    lines_.push_back(std::string("skipped, broken: ") + why.what());
  }

  /// A line for each one that was added since the last call.
  std::vector<std::string> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(lines_, {});
  }

 private:
  std::mutex mutex_;
  Index count_ = 0;
  std::vector<std::string> lines_;
};

}  // namespace program
