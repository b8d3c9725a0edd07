// The image files of a folder, in an order that does not depend on the file system. One rule for what lies below it:
//
//     read        files that end in .jpg .jpeg .jpe .jfif .png (any case); links to files and folders are followed,
//                 each folder once, so that links that form a loop end
//     left out    hidden names (a leading dot, as ._IMG_1.jpg and .ipynb_checkpoints), __MACOSX, @eaDir, folders of
//                 tessera's results, broken links, what is no file (pipes, sockets), and files with another ending
//
// The folder itself is always read, whatever its name.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>

namespace tessera {

/// A file of this name marks a folder of results: what lies in and below it is no input.
inline constexpr std::string_view results_marker = ".tessera-results";

/// The rule in one line, for --help.
inline constexpr const char* image_folder_rule =
    "In and below a folder .jpg .jpeg .jpe .jfif .png files are read and links followed; hidden names, __MACOSX, "
    "@eaDir, tessera's results, broken links and other endings are left out and counted.";

/// What a folder holds beside the files that are read. A folder that is left out counts once.
struct LeftOut {
  std::map<std::string, Index> endings;  ///< files by their ending in lower case; "" for those without a usual one
  Index hidden = 0;                      ///< files and folders with a leading dot, __MACOSX, @eaDir
  Index results = 0;                     ///< folders with tessera's marker
  Index not_files = 0;                   ///< pipes, sockets, devices
  Index broken_links = 0;                ///< all of them
  std::vector<std::string> named_links;  ///< the first few of them, sorted

  [[nodiscard]] Index count() const {
    Index sum = hidden + results + not_files + broken_links;
    for (const auto& [ending, files] : endings) sum += files;
    return sum;
  }

  /// "left out 5 files: 2 .webp, 1 .tif, 1 hidden, 1 broken link (folder/b.jpg)"; empty where nothing is left out.
  [[nodiscard]] std::string text() const;
};

/// What list_images finds.
struct ImageListing {
  std::vector<std::string> files;  ///< sorted by path; each begins with the folder as it was given
  LeftOut left_out;
};

/// Whether a file of this name is read: .jpg, .jpeg, .jpe, .jfif and .png in upper or lower case.
inline bool has_image_ending(std::string_view name);

/// The image files in and below `folder`, after the rule above. One call of the system for some hundred files: a
/// million list in seconds. Throws Error(file_access) where the folder or one below it cannot be read, Error(bad_file)
/// if there is no image.
inline ImageListing list_images(const std::filesystem::path& folder);

namespace detail {

/// From the last dot on, in lower case; empty where there is none, or one too long for a usual ending.
inline std::string lower_case_ending(std::string_view name) {
  constexpr std::size_t longest = 12;
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || name.size() - dot > longest) return {};
  std::string ending(name.substr(dot));
  for (char& c : ending) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return ending;
}

class ImageLister {
 public:
  /// Real folders first, then those behind links in the order of their paths: which path a folder's files get does
  /// not depend on the file system.
  ImageListing list(const std::string& root) {
    list_below(root, true);
    while (!links_.empty()) list_below(links_.extract(links_.begin()).value(), false);
    std::sort(listing_.files.begin(), listing_.files.end());
    std::vector<std::string>& links = listing_.left_out.named_links;
    std::sort(links.begin(), links.end());
    if (links.size() > most_named) links.resize(most_named);
    return std::move(listing_);
  }

 private:
  static constexpr std::size_t most_named = 10, most_endings = 1000;

  struct Close {
    void operator()(DIR* folder) const { ::closedir(folder); }
  };

  [[noreturn]] static void fail(const std::string& folder) {
    throw Error(ErrorCode::file_access, folder, std::strerror(errno), "a readable folder");
  }

  void list_below(const std::string& top, bool named) {
    std::vector<std::string> folders{top};
    while (!folders.empty()) {
      const std::string folder = std::move(folders.back());
      folders.pop_back();
      list_one(folder, named, folders);
      named = false;
    }
  }

  void list_one(const std::string& folder, bool named, std::vector<std::string>& folders) {
    const std::unique_ptr<DIR, Close> open(::opendir(folder.c_str()));
    struct stat status {};
    if (!open || ::fstat(::dirfd(open.get()), &status) != 0) fail(folder);
    if (!seen_.insert({status.st_dev, status.st_ino}).second) return;
    if (!named && ::faccessat(::dirfd(open.get()), results_marker.data(), F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
      ++listing_.left_out.results;
      return;
    }
    const std::string start = folder.ends_with('/') ? folder : folder + '/';
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(open.get());
      if (entry == nullptr && errno != 0) fail(folder);
      if (entry == nullptr) return;
      const std::string_view name = entry->d_name;
      const bool ours = name.starts_with(".tessera-") || name.ends_with(".tessera-part");  // not worth a word
      if (name != "." && name != ".." && !ours) take(start, name, entry->d_type, folders);
    }
  }

  void take(const std::string& start, std::string_view name, unsigned char type, std::vector<std::string>& folders) {
    LeftOut& left_out = listing_.left_out;
    if (name.starts_with('.') || name == "__MACOSX" || name == "@eaDir") {
      ++left_out.hidden;
      return;
    }
    std::string path = start + std::string(name);
    const bool link = type == DT_LNK || (type == DT_UNKNOWN && is_link(path));
    if (link || type == DT_UNKNOWN) {
      type = type_behind(path);
      if (type == DT_UNKNOWN) {
        ++left_out.broken_links;
        name_link(std::move(path));
        return;
      }
    }
    if (type == DT_DIR && link)
      links_.insert(std::move(path));
    else if (type == DT_DIR)
      folders.push_back(std::move(path));
    else if (type != DT_REG)
      ++left_out.not_files;
    else if (has_image_ending(name))
      listing_.files.push_back(std::move(path));
    else
      count_ending(lower_case_ending(name));
  }

  static bool is_link(const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
  }

  /// Of what a link leads to; DT_UNKNOWN: nowhere.
  static unsigned char type_behind(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return DT_UNKNOWN;
    return S_ISDIR(status.st_mode) ? DT_DIR : S_ISREG(status.st_mode) ? DT_REG : DT_FIFO;
  }

  /// Keeps the first ones by name, whatever the order in which the folder tells them.
  void name_link(std::string path) {
    std::vector<std::string>& links = listing_.left_out.named_links;
    links.push_back(std::move(path));
    if (links.size() < 2 * most_named) return;
    std::sort(links.begin(), links.end());
    links.resize(most_named);
  }

  void count_ending(std::string ending) {
    std::map<std::string, Index>& endings = listing_.left_out.endings;
    if (endings.size() >= most_endings && !endings.contains(ending)) ending.clear();
    ++endings[ending];
  }

  ImageListing listing_;
  std::set<std::pair<dev_t, ino_t>> seen_;  // folders
  std::set<std::string> links_;             // to folders, still to be listed
};

}  // namespace detail

inline bool has_image_ending(std::string_view name) {
  constexpr std::array<std::string_view, 5> endings{".jpg", ".jpeg", ".jpe", ".jfif", ".png"};
  return std::ranges::find(endings, detail::lower_case_ending(name)) != endings.end();
}

inline std::string LeftOut::text() const {
  constexpr std::size_t most = 8;  // endings that are named
  if (count() == 0) return {};
  std::vector<std::pair<Index, std::string>> parts;
  Index others = 0;
  for (const auto& [ending, files] : endings) {
    if (ending.empty())
      others += files;
    else
      parts.emplace_back(files, ending);
  }
  std::ranges::stable_sort(parts, std::greater<>(), [](const auto& part) { return part.first; });
  for (std::size_t i = most; i < parts.size(); ++i) others += parts[i].first;
  if (parts.size() > most) parts.resize(most);
  const auto add = [&](Index number, const char* one, const char* more) {
    if (number > 0) parts.emplace_back(number, number == 1 ? one : more);
  };
  add(others, "with another ending", "with other endings");
  add(hidden, "hidden", "hidden");
  add(results, "folder of tessera's results", "folders of tessera's results");
  add(not_files, "that is no file", "that are no files");
  add(broken_links, "broken link", "broken links");
  std::string text = "left out " + std::to_string(count()) + (count() == 1 ? " file: " : " files: ");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(parts[i].first) + " " + parts[i].second;
  }
  for (std::size_t i = 0; i < named_links.size(); ++i) text += (i == 0 ? " (" : ", ") + named_links[i];
  if (!named_links.empty()) {
    text += broken_links > static_cast<Index>(named_links.size()) ? ", ...)" : ")";
  }
  return text;
}

inline ImageListing list_images(const std::filesystem::path& folder) {
  ImageListing listing = detail::ImageLister().list(folder.native());
  if (!listing.files.empty()) return listing;
  const std::string left_out = listing.left_out.text();
  throw Error(ErrorCode::bad_file, folder.string(), "no image" + (left_out.empty() ? "" : " (" + left_out + ")"),
              ".jpg, .jpeg, .jpe, .jfif or .png files");
}

}  // namespace tessera
