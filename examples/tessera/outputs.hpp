// Where results go: folders that are made, files and runs that are not to be lost.
#pragma once

#include <filesystem>
#include <set>
#include <vector>

namespace program {

/// Creates a folder for results where there is none. Throws Error(file_access).
void make_folder(const std::filesystem::path& folder);

/// Makes a folder for results, and marks it as one (tessera::results_marker): pictures in it are no training data.
/// Throws UsageError where it already holds something and no such mark: it is the user's own; Error(file_access).
void claim_results_folder(const std::filesystem::path& folder);

/// Marks a folder that tessera is known to have made. Throws Error(file_access).
void mark_results_folder(const std::filesystem::path& folder);

/// Files that no result may replace, whatever path or link leads to them.
class InputFiles {
 public:
  /// Throws Error(file_access) for a path that cannot be followed.
  explicit InputFiles(const std::vector<std::filesystem::path>& files);

  /// Before the work that makes it: throws UsageError where `file` is an input, Error(file_access) where something else
  /// than a file lies, or where its folder is missing or cannot be written.
  void check_output(const std::filesystem::path& file) const;

 private:
  std::set<std::filesystem::path> files_;
};

/// Makes a folder and keeps other runs out of it for as long as it lives; the system lets go of it when a program is
/// killed. A folder that was made and got nothing but its mark is removed again.
class FolderLock {
 public:
  /// Throws Error(file_access) where the folder cannot be made or is another run's.
  explicit FolderLock(const std::filesystem::path& folder);
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  std::filesystem::path folder_;
  bool made_;
  int descriptor_;
};

}  // namespace program
