#include "picture_folder.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <unordered_map>
#include <unordered_set>

#include <tessera/core/parallel.hpp>
#include <tessera/data/image_folder.hpp>
#include <tessera/io/atomic_file.hpp>

#include "hash.hpp"
#include "outputs.hpp"
#include "program.hpp"

namespace program {

using namespace tessera;

namespace {

/// The name of the record in the folder. A hidden file, no picture.
constexpr const char* record_name = ".tessera-pictures";

/// What the record says of one picture; its key is the journal's. In the payload: this, then the name.
struct Made {
  std::uint64_t key, content;  // hashes of what it depends on, and of its bytes
  Scores scores;
};

std::uint64_t content_hash(View<const std::byte> bytes) {
  return Hash().add(bytes).value();
}

/// Of a file's bytes; 0 where it cannot be read.
std::uint64_t content_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  return file ? content_hash(std::as_bytes(View<const char>(bytes))) : 0;
}

std::vector<std::byte> payload_of(std::uint64_t content, const Scores& scores, const std::string& name) {
  std::vector<std::byte> payload(sizeof content + sizeof scores + name.size());
  std::memcpy(payload.data(), &content, sizeof content);
  std::memcpy(payload.data() + sizeof content, &scores, sizeof scores);
  std::memcpy(payload.data() + sizeof content + sizeof scores, name.data(), name.size());
  return payload;
}

/// Makes and marks the folder; whether there was none.
bool claim(const std::filesystem::path& folder) {
  std::error_code error;
  const bool made = !std::filesystem::exists(folder, error);
  claim_results_folder(folder);
  return made;
}

}  // namespace

PictureFolder::PictureFolder(std::filesystem::path folder, std::vector<std::string> names,
                             std::vector<std::uint64_t> keys)
    : folder_(std::move(folder)),
      names_(std::move(names)),
      keys_(std::move(keys)),
      marker_(folder_ / results_marker),
      made_folder_(claim(folder_)),
      record_(folder_ / record_name, "pictures"),
      made_(names_.size()),
      scores_(names_.size()) {
  compare_with_record();
}

PictureFolder::~PictureFolder() {
  if (!made_folder_ || written_) return;
  ::unlink(marker_.c_str());
  ::rmdir(folder_.c_str());
}

void PictureFolder::compare_with_record() {
  std::unordered_map<std::string, std::vector<Made>> recorded;
  record_.for_each([&](std::uint64_t key, View<const std::byte> payload) {
    Made made{.key = key, .content = 0, .scores = {}};
    constexpr std::size_t fixed = sizeof made.content + sizeof made.scores;
    if (payload.size() < fixed) return;
    std::memcpy(&made.content, payload.data(), sizeof made.content);
    std::memcpy(&made.scores, payload.data() + sizeof made.content, sizeof made.scores);
    recorded[std::string(reinterpret_cast<const char*>(payload.data()) + fixed, payload.size() - fixed)].push_back(
        made);
  });
  Index replaced = 0, stay = 0;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const auto found = recorded.find(names_[i]);
    const std::vector<Made> before = found == recorded.end() ? std::vector<Made>() : std::move(found->second);
    if (found != recorded.end()) recorded.erase(found);
    std::error_code error;
    const std::filesystem::path file = folder_ / names_[i];
    if (!std::filesystem::exists(std::filesystem::symlink_status(file, error))) continue;
    const std::uint64_t content = before.empty() ? 0 : content_of(file);
    const auto same = std::ranges::find(before, content, &Made::content);
    if (same == before.end()) {
      throw UsageError(file.string() + ": found a file that tessera did not make, expected another -o");
    }
    // The last one that is recorded of these bytes: other options may give the same picture.
    const Made& last = before.back();
    if (last.key == keys_[i] && last.content == content) {
      made_[i] = true;
      scores_[i] = last.scores;
    } else {
      ++replaced;
    }
  }
  for (const auto& [name, before] : recorded) {
    std::error_code error;
    if (std::filesystem::exists(folder_ / name, error)) ++stay;
  }
  if (replaced + stay > 0) {
    std::fprintf(stderr, "%s: holds pictures of an earlier command: %td are replaced, %td stay\n",
                 one_line(folder_.string()).c_str(), replaced, stay);
  }
}

std::vector<Index> PictureFolder::missing() const {
  std::vector<Index> items;
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (!made_[i]) items.push_back(static_cast<Index>(i));
  }
  return items;
}

void PictureFolder::write(View<const Index> items, const std::vector<Picture>& pictures) {
  // Recorded first: whatever a kill leaves is known as tessera's.
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Picture& picture = pictures[i];
    record_.append(keys_[at(items[i])], payload_of(content_hash(picture.png), picture.scores, names_[at(items[i])]));
  }
  record_.flush();
  written_ = written_ || !items.empty();
  parallel_for_or_throw(static_cast<Index>(items.size()), [&](Index i) {
    AtomicFile file(path(items[at(i)]));
    file.write(pictures[at(i)].png);
    file.commit();
  });
  for (std::size_t i = 0; i < items.size(); ++i) {
    made_[at(items[i])] = true;
    scores_[at(items[i])] = pictures[i].scores;
  }
}

bool is_picture_file(const std::filesystem::path& output) {
  std::error_code error;
  const std::string ending = detail::lower_case_ending(output.filename().string());
  if (std::filesystem::is_directory(output, error) || output.native().ends_with('/')) return false;
  for (const char* other : {".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff"}) {
    if (ending == other) {
      throw UsageError("--output: found '" + output.string() + "', expected a .png file or a folder");
    }
  }
  return ending == ".png";
}

void check_one_picture(const std::filesystem::path& output, Index images) {
  if (images == 1) return;
  throw UsageError("--output: found '" + output.string() + "' for " + std::to_string(images) +
                   " images, expected a folder");
}

}  // namespace program
