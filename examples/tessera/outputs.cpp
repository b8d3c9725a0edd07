#include "outputs.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <tessera/core/error.hpp>
#include <tessera/data/image_folder.hpp>
#include <tessera/io/atomic_file.hpp>
#include <tessera/io/system_call.hpp>

#include "program.hpp"

namespace program {

using namespace tessera;

namespace {

/// One path for every file, whatever leads to it. Throws Error(file_access).
std::filesystem::path resolved(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path result = std::filesystem::weakly_canonical(path, error);
  if (error) throw Error(ErrorCode::file_access, path.string(), error.message(), "a path that can be followed");
  return result;
}

}  // namespace

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!std::filesystem::is_directory(folder)) {
    throw Error(ErrorCode::file_access, folder.string(), error ? error.message() : "something that is no folder",
                "a folder that can be made");
  }
}

void claim_results_folder(const std::filesystem::path& folder) {
  make_folder(folder);
  const std::filesystem::path marker = folder / results_marker;
  std::error_code error;
  if (std::filesystem::exists(marker, error)) return;
  if (!std::filesystem::is_empty(folder, error) && !error) {
    throw UsageError(folder.string() +
                     ": found a folder with files that tessera did not make, expected a new or empty "
                     "folder, or one of an earlier command");
  }
  mark_results_folder(folder);
}

void mark_results_folder(const std::filesystem::path& folder) {
  const std::filesystem::path marker = folder / results_marker;
  std::error_code error;
  if (!std::filesystem::exists(marker, error)) AtomicFile(marker).commit();
}

InputFiles::InputFiles(const std::vector<std::filesystem::path>& files) {
  for (const auto& file : files) files_.insert(resolved(file));
}

void InputFiles::check_output(const std::filesystem::path& file) const {
  if (files_.contains(resolved(file))) {
    throw UsageError(file.string() + ": found an input where a result would be written, expected another -o");
  }
  const auto fail = [&](const std::string& found) {
    throw Error(ErrorCode::file_access, file.string(), found, "a file that can be written");
  };
  std::error_code error;
  if (std::filesystem::exists(file, error) && !std::filesystem::is_regular_file(file, error)) {
    fail("something that is not a regular file");
  }
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (!std::filesystem::is_directory(folder, error)) fail("no folder " + folder.string());
  if (::access(folder.c_str(), W_OK) != 0) fail("folder " + folder.string() + ": " + std::strerror(errno));
}

namespace {

/// Removes a folder that holds nothing but perhaps its mark.
void remove_unused(const std::filesystem::path& folder) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (entry->path().filename() != results_marker) return;
  }
  std::filesystem::remove(folder / results_marker, error);
  std::filesystem::remove(folder, error);
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder) : folder_(folder), made_(!std::filesystem::exists(folder)) {
  make_folder(folder);
  descriptor_ = detail::retry_interrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (descriptor_ >= 0 && ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const std::string found = errno == EWOULDBLOCK ? "a run that goes on" : std::strerror(errno);
  if (descriptor_ >= 0) ::close(descriptor_);
  throw Error(ErrorCode::file_access, folder.string(), found, "a folder that no other run is using");
}

FolderLock::~FolderLock() {
  if (made_) remove_unused(folder_);
  ::close(descriptor_);
}

}  // namespace program
