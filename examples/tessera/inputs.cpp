#include "inputs.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <unordered_map>
#include <unordered_set>

#include <tessera/core/layout.hpp>
#include <tessera/data/image_folder.hpp>
#include <tessera/data/model_pixels.hpp>
#include <tessera/io/image.hpp>

#include "hash.hpp"
#include "long_work.hpp"
#include "program.hpp"

namespace program {

using namespace tessera;

namespace {

std::vector<std::string> list_files(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::string> files;
  for (const auto& path : paths) {
    if (is_array(path)) {
      throw UsageError(path.string() + ": found an array beside other inputs, expected one .npy file alone");
    }
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) {
      ImageListing listing = list_images(path);
      std::ranges::move(listing.files, std::back_inserter(files));
      const std::string left_out = listing.left_out.text();
      if (!left_out.empty()) std::fprintf(stderr, "%s\n", one_line(path.string() + ": " + left_out).c_str());
    } else {
      files.push_back(path.string());
    }
  }
  return files;
}

/// A name that leaves room for a number and an ending within the 255 bytes of a file name, cut between letters of
/// UTF-8.
std::string short_stem(const std::filesystem::path& file) {
  std::string stem = file.stem().string();
  std::size_t length = std::min<std::size_t>(stem.size(), 230);
  while (length > 0 && length < stem.size() && (static_cast<unsigned char>(stem[length]) & 0xc0) == 0x80) --length;
  stem.resize(length);
  return stem;
}

/// a/cat.jpg and b/cat.png become cat and cat_2.
std::vector<std::string> unique_stems(const std::vector<std::string>& files) {
  std::unordered_set<std::string> taken;
  std::unordered_map<std::string, Index> last;  // numbers behind each stem
  std::vector<std::string> stems;
  for (const std::string& file : files) {
    const std::string stem = short_stem(file);
    std::string name = stem;
    if (!taken.insert(name).second) {
      Index& n = last.try_emplace(stem, 1).first->second;
      do name = stem + "_" + std::to_string(++n);
      while (!taken.insert(name).second);
    }
    stems.push_back(std::move(name));
  }
  return stems;
}

}  // namespace

bool is_array(const std::filesystem::path& path) {
  std::error_code error;
  return path.extension() == ".npy" && !std::filesystem::is_directory(path, error);
}

Inputs::Inputs(const std::vector<std::filesystem::path>& paths, const Config& config, const PhotographReading& reading)
    : config_(config), reading_(reading) {
  if (paths.size() == 1 && is_array(paths.front())) {
    array_ = std::make_unique<ImageArray>(paths.front(), config);
    array_path_ = paths.front();
    return;
  }
  files_ = list_files(paths);
}

Index Inputs::count() const {
  return array_ ? array_->count() : static_cast<Index>(files_.size());
}

std::string Inputs::name(Index i) const {
  if (array_) return array_path_.string() + "[" + std::to_string(i) + "]";
  return files_[static_cast<std::size_t>(i)];
}

std::vector<std::string> Inputs::stems() const {
  if (!array_) return unique_stems(files_);
  std::vector<std::string> stems;
  for (Index i = 0; i < count(); ++i) stems.push_back(short_stem(array_path_) + "_" + std::to_string(i));
  return stems;
}

std::uint64_t Inputs::identity(Index i) const {
  const std::string path = array_ ? array_path_.string() : files_[static_cast<std::size_t>(i)];
  struct stat status {};  // zero where there is no file: reading it will say so
  (void)::stat(path.c_str(), &status);
  Hash hash;
  hash.add(path).add(static_cast<std::uint64_t>(status.st_size));
  hash.add(static_cast<std::uint64_t>(status.st_mtim.tv_sec)).add(static_cast<std::uint64_t>(status.st_mtim.tv_nsec));
  if (array_) hash.add(static_cast<std::uint64_t>(i));
  return hash.value();
}

void Inputs::read(Index i, View<float> out) const {
  if (array_) return array_->plain(i, out);
  const Pixels photograph = with_channels(read_image(files_[static_cast<std::size_t>(i)], reading_.limits), config_);
  to_model_range(config_, resize_and_crop(photograph, config_.image.height, config_.image.width, reading_.filter), out);
}

std::vector<Index> Inputs::read(View<const Index> items, std::vector<float>& images, LongWork& work) const {
  const auto values = static_cast<std::size_t>(config_.image_values());
  images.resize(items.size() * values);
  return work.good_ones(items, images, [&](Index item, View<float> image) { read(item, image); });
}

}  // namespace program
