#include "inputs.hpp"

#include <cstdio>
#include <set>

#include <tessera/core/layout.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/data/image_folder.hpp>
#include <tessera/data/model_pixels.hpp>
#include <tessera/io/image.hpp>

#include "program.hpp"

namespace program {

using namespace tessera;

namespace {

std::vector<std::filesystem::path> list_files(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::filesystem::path> files;
  for (const auto& path : paths) {
    if (is_array(path)) {
      throw UsageError(path.string() + ": found an array beside other inputs, expected one .npy file alone");
    }
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      const ImageListing listing = list_images(path);
      files.insert(files.end(), listing.files.begin(), listing.files.end());
      const std::string left_out = listing.left_out.text();
      if (!left_out.empty()) std::fprintf(stderr, "%s\n", one_line(path.string() + ": " + left_out).c_str());
    } else {
      files.push_back(path);
    }
  }
  return files;
}

/// a/cat.jpg and b/cat.png become cat and cat_2.
std::vector<std::string> unique_stems(const std::vector<std::filesystem::path>& files) {
  std::set<std::string> taken;
  std::vector<std::string> stems;
  for (const auto& file : files) {
    std::string stem = file.stem().string();
    for (int n = 2; !taken.insert(stem).second; ++n) stem = file.stem().string() + "_" + std::to_string(n);
    stems.push_back(stem);
  }
  return stems;
}

}  // namespace

bool is_array(const std::filesystem::path& path) {
  std::error_code error;
  return path.extension() == ".npy" && !std::filesystem::is_directory(path, error);
}

Inputs::Inputs(const std::vector<std::filesystem::path>& paths, const Config& config, Filter filter)
    : config_(config), filter_(filter) {
  if (paths.size() == 1 && is_array(paths.front())) {
    array_ = std::make_unique<ImageArray>(paths.front(), config);
    array_path_ = paths.front();
    return;
  }
  files_ = list_files(paths);
  stems_ = unique_stems(files_);
}

Index Inputs::count() const {
  return array_ ? array_->count() : static_cast<Index>(files_.size());
}

std::string Inputs::name(Index i) const {
  if (array_) return array_path_.string() + "[" + std::to_string(i) + "]";
  return files_[static_cast<std::size_t>(i)].string();
}

std::string Inputs::stem(Index i) const {
  if (array_) return array_path_.stem().string() + "_" + std::to_string(i);
  return stems_[static_cast<std::size_t>(i)];
}

void Inputs::read(Index first, Index count, View<float> out) const {
  const Index values = config_.image_values();
  parallel_for_or_throw(count, [&](Index i) {
    const View<float> image = slice(out, i * values, values);
    if (array_)
      array_->plain(first + i, image);
    else
      read_file(first + i, image);
  });
}

void Inputs::read_file(Index i, View<float> out) const {
  const Pixels photograph = with_channels(read_image(files_[static_cast<std::size_t>(i)]), config_);
  to_model_range(config_, resize_and_crop(photograph, config_.image.height, config_.image.width, filter_), out);
}

}  // namespace program
