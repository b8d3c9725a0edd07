// The images that a command is given: files, folders, or one array.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <tessera/data/image_array.hpp>

#include "program.hpp"

namespace program {

class LongWork;

/// A .npy file of images, not a folder or photographs.
bool is_array(const std::filesystem::path& path);

/// Numbered images of one model's shape, in the order of the command line; folders sorted by path.
class Inputs {
 public:
  /// paths: JPEG and PNG files, folders of them, or one .npy: float32 [B, C, H, W] in the model's range or uint8
  /// [B, H, W, C]. Photographs are resized so that the shorter edge fits, and cropped to their centre. What folders
  /// hold beside them is counted on stderr.
  /// Throws UsageError for an array beside other inputs, Error: file_access, bad_file, mismatch.
  Inputs(const std::vector<std::filesystem::path>& paths, const tessera::Config& config,
         const PhotographReading& reading);

  [[nodiscard]] tessera::Index count() const;
  /// The image's file, or the array's file and index.
  [[nodiscard]] std::string name(tessera::Index i) const;
  /// A file name for what is made of each image, without extension; no two are alike.
  [[nodiscard]] std::vector<std::string> stems() const;
  /// Tells image i, as it is now, from every other: a hash of its path, size and time of change, and of its place in an
  /// array.
  [[nodiscard]] std::uint64_t identity(tessera::Index i) const;
  /// Image i -> out [C, H, W] in the model's range. Threads may call it at the same time. Throws Error that names the
  /// file.
  void read(tessera::Index i, tessera::View<float> out) const;
  /// Those of `items` that can be read, on all threads, -> images [read, C, H, W] in their order, and returns them; the
  /// others are reported to `work`.
  std::vector<tessera::Index> read(tessera::View<const tessera::Index> items, std::vector<float>& images,
                                   LongWork& work) const;

 private:
  tessera::Config config_;
  PhotographReading reading_;
  std::unique_ptr<tessera::ImageArray> array_;
  std::filesystem::path array_path_;
  std::vector<std::string> files_;
};

}  // namespace program
