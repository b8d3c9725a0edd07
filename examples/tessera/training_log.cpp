#include "training_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include <tessera/io/atomic_file.hpp>

namespace program {

using namespace tessera;

namespace {

constexpr const char* writable_file = "a file that can be written";

/// The whole lines of steps up to `steps_done`; none where there is no file. Throws Error(file_access).
std::string kept_lines(const std::filesystem::path& path, Index steps_done) {
  std::error_code error;
  if (std::filesystem::status(path, error).type() == std::filesystem::file_type::not_found) return {};
  std::ifstream file(path);
  if (!file) throw Error(ErrorCode::file_access, path.string(), std::strerror(errno), "a file that can be read");
  std::string kept, line;
  while (std::getline(file, line) && !file.eof()) {
    const auto object = nlohmann::json::parse(line, nullptr, false);
    if (!object.is_object() || !object.contains("step") || !object["step"].is_number_integer()) break;
    if (object["step"].get<Index>() > steps_done) break;
    kept += line + "\n";
  }
  return kept;
}

std::string time_text(double seconds) {
  const auto s = static_cast<long long>(seconds + 0.5);
  char text[32];
  std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
  return text;
}

}  // namespace

TrainingLog::TrainingLog(std::filesystem::path path, Index steps_done) : path_(std::move(path)) {
  const std::string kept = kept_lines(path_, steps_done);
  AtomicFile whole(path_);
  whole.write(kept);
  whole.commit();
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0) throw Error(ErrorCode::file_access, path_.string(), std::strerror(errno), writable_file);
}

TrainingLog::~TrainingLog() {
  ::close(descriptor_);
}

void TrainingLog::write(const nlohmann::ordered_json& line) {
  const std::string text = line.dump() + "\n";
  const ::off_t before = ::lseek(descriptor_, 0, SEEK_END);
  for (std::size_t done = 0; done < text.size();) {
    const ::ssize_t written = ::write(descriptor_, text.data() + done, text.size() - done);
    if (written > 0) done += static_cast<std::size_t>(written);
    if (written > 0 || (written < 0 && errno == EINTR)) continue;
    const std::string found = written < 0 ? std::strerror(errno) : "no room";
    if (before >= 0) (void)!::ftruncate(descriptor_, before);  // a part of a line would spoil the next one
    throw Error(ErrorCode::file_access, path_.string(), found, writable_file);
  }
}

Progress::Progress(Index first_step, Index steps, Index images_per_step)
    : first_step_(first_step), steps_(steps), images_per_step_(images_per_step), terminal_(::isatty(2) == 1) {}

double Progress::seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

void Progress::show(const StepReport& report) {
  const auto now = Clock::now();
  const auto pause = std::chrono::milliseconds(terminal_ ? 200 : 10000);
  if (shown_ && now - *shown_ < pause && report.step < steps_) return;
  shown_ = now;
  in_line_ = terminal_;
  const double per_step = seconds() / static_cast<double>(report.step - first_step_ + 1);
  std::fprintf(stderr, "%sstep %td/%td  loss %.5f  reconstruction %.5f  %.1f images/s  ETA %s%s", terminal_ ? "\r" : "",
               report.step, steps_, report.loss, report.reconstruction_loss,
               static_cast<double>(images_per_step_) / per_step,
               time_text(per_step * static_cast<double>(steps_ - report.step)).c_str(), terminal_ ? "  " : "\n");
}

void Progress::say(const std::string& line) {
  finish();
  std::fprintf(stderr, "%s\n", one_line(line).c_str());
}

void Progress::finish() {
  if (in_line_) std::fputc('\n', stderr);
  in_line_ = false;
}

}  // namespace program
