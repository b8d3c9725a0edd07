// The images that a command is given: files, folders, or one array.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <tessera/data/image_array.hpp>
#include <tessera/data/resize.hpp>

namespace program {

/// A .npy file of images, not a folder or photographs.
bool is_array(const std::filesystem::path& path);

/// Numbered images of one model's shape, in the order of the command line; folders sorted by path.
class Inputs {
 public:
  /// paths: JPEG and PNG files, folders of them, or one .npy: float32 [B, C, H, W] in the model's range or uint8
  /// [B, H, W, C]. Photographs are resized so that the shorter edge fits, and cropped to their centre.
  /// Throws UsageError for an array beside other inputs, Error: file_access, bad_file, mismatch.
  Inputs(const std::vector<std::filesystem::path>& paths, const tessera::Config& config, tessera::Filter filter);

  [[nodiscard]] tessera::Index count() const;
  /// The image's file, or the array's file and index.
  [[nodiscard]] std::string name(tessera::Index i) const;
  /// A file name for what is made of image i, without extension; no two are alike.
  [[nodiscard]] std::string stem(tessera::Index i) const;
  /// Images [first, first + count) -> out [count, C, H, W] in the model's range. Throws Error that names a file.
  void read(tessera::Index first, tessera::Index count, tessera::View<float> out) const;

 private:
  void read_file(tessera::Index i, tessera::View<float> out) const;

  tessera::Config config_;
  tessera::Filter filter_;
  std::unique_ptr<tessera::ImageArray> array_;
  std::filesystem::path array_path_;
  std::vector<std::filesystem::path> files_;
  std::vector<std::string> stems_;
};

}  // namespace program
