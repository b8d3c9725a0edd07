// The image files of a folder, in an order that does not depend on the file system.
#pragma once

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <tessera/core/error.hpp>

namespace tessera {

/// A file of this name marks a folder of results: what lies in and below it is no input.
inline constexpr std::string_view results_marker = ".tessera-results";

/// True for .jpg, .jpeg and .png, in upper or lower case.
inline bool has_image_extension(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

/// The image files (by extension) in `folder` and below it, but not in `leave_out`, sorted by path; links to folders
/// are not followed. Throws Error(file_access) if the folder or one below it cannot be read, Error(bad_file) if there
/// is no image.
inline std::vector<std::filesystem::path> list_images(const std::filesystem::path& folder,
                                                      const std::filesystem::path& leave_out = {}) {
  std::vector<std::filesystem::path> images;
  std::error_code error;
  std::filesystem::recursive_directory_iterator entry(folder, error), end;
  for (; !error && entry != end; entry.increment(error)) {
    std::error_code unreadable;
    if (!leave_out.empty() && entry->is_directory(unreadable) &&
        std::filesystem::equivalent(entry->path(), leave_out, unreadable)) {
      entry.disable_recursion_pending();
      continue;
    }
    if (has_image_extension(entry->path()) && entry->is_regular_file(unreadable)) images.push_back(entry->path());
  }
  if (error) throw Error(ErrorCode::file_access, folder.string(), error.message(), "a readable folder");
  if (images.empty()) throw Error(ErrorCode::bad_file, folder.string(), "no image", ".jpg, .jpeg or .png files");
  std::sort(images.begin(), images.end(), [](const auto& a, const auto& b) { return a.native() < b.native(); });
  return images;
}

}  // namespace tessera
