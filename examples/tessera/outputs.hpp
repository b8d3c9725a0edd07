// Where results go: folders that are made, files and runs that are not to be lost.
#pragma once

#include <filesystem>
#include <set>
#include <vector>

namespace program {

/// Creates a folder for results where there is none. Throws Error(file_access).
void make_folder(const std::filesystem::path& folder);

/// Files that no result may replace, whatever path or link leads to them.
class InputFiles {
 public:
  /// Throws Error(file_access) for a path that cannot be followed.
  explicit InputFiles(const std::vector<std::filesystem::path>& files);

  /// Before the work that makes it: throws UsageError where `file` is an input, Error(file_access) where it has no
  /// folder to lie in.
  void check_output(const std::filesystem::path& file) const;

 private:
  std::set<std::filesystem::path> files_;
};

/// Keeps other runs out of a folder for as long as it lives; the system lets go of it when a program is killed.
class FolderLock {
 public:
  /// Throws Error(file_access) where the folder is another run's.
  explicit FolderLock(const std::filesystem::path& folder);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  int descriptor_;
};

}  // namespace program
