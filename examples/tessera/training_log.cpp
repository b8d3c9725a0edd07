#include "training_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include <tessera/io/atomic_file.hpp>
#include <tessera/io/json.hpp>
#include <tessera/io/system_call.hpp>

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
    const std::optional<JsonValue> object = parse_json(line);
    const JsonValue* step = object ? object->find("step") : nullptr;
    if (step == nullptr || step->integer().value_or(steps_done + 1) > steps_done) break;
    kept += line + "\n";
  }
  return kept;
}

}  // namespace

TrainingLog::TrainingLog(std::filesystem::path path, Index steps_done) : path_(std::move(path)) {
  const std::string kept = kept_lines(path_, steps_done);
  AtomicFile whole(path_);
  whole.write(kept);
  whole.commit();
  descriptor_ = detail::retry_interrupted([&] { return ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC); });
  if (descriptor_ < 0) throw Error(ErrorCode::file_access, path_.string(), std::strerror(errno), writable_file);
}

TrainingLog::~TrainingLog() {
  ::close(descriptor_);
}

void TrainingLog::write(std::string_view object) {
  const std::string text = std::string(object) + "\n";
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

}  // namespace program
