#include "progress.hpp"

#include <unistd.h>

#include <cstdio>

namespace program {

namespace {

bool on_terminal() {
  static const bool terminal = ::isatty(2) == 1;
  return terminal;
}

}  // namespace

Progress::Progress(const Work& work) : work_(work) {}

std::chrono::milliseconds Progress::pause() {
  return std::chrono::milliseconds(on_terminal() ? 200 : 10000);
}

void Progress::show(Index done, const std::string& detail) {
  const auto now = Clock::now();
  const bool due = shown_ ? now - *shown_ >= pause() : now - start_ >= work_.first_line;
  const bool last_of_shown = shown_ && done == work_.all;
  if (!due && !last_of_shown) return;
  shown_ = now;
  in_line_ = on_terminal();
  const double each = std::chrono::duration<double>(now - start_).count() / static_cast<double>(done - work_.done);
  const auto left = static_cast<long long>(each * static_cast<double>(work_.all - done) + 0.5);
  std::fprintf(stderr, "%s%s %td/%td  %s%.1f images/s  ETA %lld:%02lld:%02lld%s", on_terminal() ? "\r" : "", work_.unit,
               done, work_.all, detail.c_str(), static_cast<double>(work_.images_per_unit) / each, left / 3600,
               left / 60 % 60, left % 60, on_terminal() ? "  " : "\n");
}

void Progress::say(const std::string& line) {
  end_line();
  std::fprintf(stderr, "%s\n", tessera::one_line(line).c_str());
}

void Progress::end_line() {
  if (in_line_) std::fputc('\n', stderr);
  in_line_ = false;
}

}  // namespace program
