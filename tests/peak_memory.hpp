// The most memory that a part of a test takes.
#pragma once

#include <cstddef>
#include <fstream>
#include <string>

namespace tessera_test {

/// Of this process, in bytes, resident.
class PeakMemory {
 public:
  /// Forgets earlier peaks (proc(5), clear_refs).
  PeakMemory() {
    std::ofstream("/proc/self/clear_refs") << 5;
    start_ = field("VmRSS:");
  }
  /// The most since the start, beyond what there was then.
  [[nodiscard]] std::size_t taken() const {
    const std::size_t peak = field("VmHWM:");
    return peak > start_ ? peak - start_ : 0;
  }

 private:
  static std::size_t field(const std::string& name) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
      std::size_t kibibytes = 0;
      if (word == name && status >> kibibytes) return kibibytes * 1024;
    }
    return 0;
  }

  std::size_t start_;
};

}  // namespace tessera_test
