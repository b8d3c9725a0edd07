// A folder of pictures, and the record of those that tessera made there: what an earlier call has done is not done
// again, and a picture that somebody else put there is never written over.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <tessera/core/types.hpp>

#include "journal.hpp"

namespace program {

/// How near a picture is to its original: PSNR and SSIM. Not used by decode.
using Scores = std::array<double, 2>;

struct Picture {
  std::vector<std::byte> png;
  Scores scores{};
};

class PictureFolder {
 public:
  /// names: of all pictures of the command; keys: hashes of all that each depends on. Makes and marks the folder, and
  /// says on stderr what pictures of other commands are replaced or stay. Throws UsageError where the folder is not
  /// tessera's, or holds a file of one of these names that tessera did not make; Error(file_access).
  PictureFolder(std::filesystem::path folder, std::vector<std::string> names, std::vector<std::uint64_t> keys);
  PictureFolder(const PictureFolder&) = delete;
  PictureFolder& operator=(const PictureFolder&) = delete;
  /// A folder that it made and nothing was put into is removed again.
  ~PictureFolder();

  [[nodiscard]] std::filesystem::path path(tessera::Index i) const { return folder_ / names_[at(i)]; }
  /// Whether picture i was made from the same things before, and is still there as it was made.
  [[nodiscard]] bool made(tessera::Index i) const { return made_[at(i)]; }
  /// Of a picture that was made.
  [[nodiscard]] Scores scores(tessera::Index i) const { return scores_[at(i)]; }
  /// Those that are to be made.
  [[nodiscard]] std::vector<tessera::Index> missing() const;
  /// Writes pictures `items`. Throws Error(file_access).
  void write(tessera::View<const tessera::Index> items, const std::vector<Picture>& pictures);

 private:
  static std::size_t at(tessera::Index i) { return static_cast<std::size_t>(i); }
  void compare_with_record();

  std::filesystem::path folder_;
  std::vector<std::string> names_;
  std::vector<std::uint64_t> keys_;
  std::filesystem::path marker_;  // of the folder
  bool made_folder_, written_ = false;
  Journal record_;
  std::vector<bool> made_;
  std::vector<Scores> scores_;
};

/// Whether -o names one picture: .png, and no folder of that name. Throws UsageError for other endings of pictures.
bool is_picture_file(const std::filesystem::path& output);
/// Throws UsageError where one picture is to be made of several images.
void check_one_picture(const std::filesystem::path& output, tessera::Index images);

}  // namespace program
