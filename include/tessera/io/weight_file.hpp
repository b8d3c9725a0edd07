// The tensors of a model on the hubs and on disk: one safetensors file, or the shards that an index lists.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/io/json_file.hpp>
#include <tessera/io/pickle.hpp>
#include <tessera/io/safetensors.hpp>

namespace tessera {

/// A tensor and the file that it lies in.
struct StoredTensor {
  const SafetensorsFile* file;
  const TensorInfo* info;
};

namespace detail {

/// Where the weights of a model's folder are; files that nobody should unpickle only say that they are there.
inline std::filesystem::path weights_in_folder(const std::filesystem::path& folder) {
  std::error_code error;
  for (const char* name : {"model.safetensors", "model.safetensors.index.json"}) {
    if (std::filesystem::exists(folder / name, error)) return folder / name;
  }
  std::vector<std::filesystem::path> pickles;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (is_pickle_name(entry.path())) pickles.push_back(entry.path());
  }
  if (error) throw Error(ErrorCode::file_access, folder.string(), error.message(), "a folder that can be read");
  if (!pickles.empty()) refuse_pickle(std::ranges::min(pickles).string());
  throw Error(ErrorCode::file_access, folder.string(), "no model.safetensors",
              "a folder with model.safetensors, or with model.safetensors.index.json and its shards");
}

/// The shards' names in the order of the alphabet, and which tensors each must hold.
inline std::map<std::string, std::vector<std::string>> read_shard_index(const std::filesystem::path& path) {
  const auto fail = [&](std::string_view found, std::string_view expected) {
    throw Error(ErrorCode::bad_file, path.string(), found, expected);
  };
  const JsonValue json = read_json_file(path, "a JSON object with the shard of every tensor");
  const JsonValue* const map = json.find("weight_map");
  if (map == nullptr || !map->is_object() || map->keys().empty()) {
    fail("no \"weight_map\"", "a JSON object with the shard of every tensor");
  }
  std::map<std::string, std::vector<std::string>> shards;
  for (std::size_t i = 0; i < map->keys().size(); ++i) {
    const std::string& tensor = map->keys()[i];
    const JsonValue& shard = map->items()[i];
    const std::string& name = shard.string();
    // A shard lies beside its index, and nowhere else.
    if (name.empty() || name != std::filesystem::path(name).filename() || name == "." || name == "..") {
      fail("'" + tensor + "' in shard " + (shard.is_string() ? "'" + name + "'" : "that is no string"),
           "the name of a file in the same folder");
    }
    shards[name].push_back(tensor);
  }
  return shards;
}

}  // namespace detail

/// Every tensor of a model by its name, headers checked; the data is mapped unless told otherwise (io/mapped_file.hpp).
class WeightFile {
 public:
  /// path: a .safetensors file, a .safetensors.index.json file, or a folder with model.safetensors or
  /// model.safetensors.index.json. Throws Error: file_access; bad_file, for a PyTorch pickle too.
  explicit WeightFile(const std::filesystem::path& path, FileAccess access = FileAccess::map) : access_(access) {
    std::error_code error;
    const auto file = std::filesystem::is_directory(path, error) ? detail::weights_in_folder(path) : path;
    path_ = file.string();
    if (file.extension() == ".json") {
      for (const auto& [shard, tensors] : detail::read_shard_index(file))
        add_shard(file.parent_path() / shard, tensors);
    } else {
      add(file);
    }
  }

  /// The file, or the index of the shards.
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::map<std::string, StoredTensor, std::less<>>& tensors() const { return tensors_; }
  /// nullptr if there is no tensor of this name.
  [[nodiscard]] const StoredTensor* find(std::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? nullptr : &found->second;
  }
  /// Of the first file.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return files_.front()->metadata(); }

 private:
  const SafetensorsFile& add(const std::filesystem::path& path) {
    files_.push_back(std::make_unique<SafetensorsFile>(path, access_));
    const SafetensorsFile& file = *files_.back();
    for (const TensorInfo& tensor : file.tensors()) {
      if (!tensors_.emplace(tensor.name, StoredTensor{&file, &tensor}).second) {
        throw Error(ErrorCode::bad_file, file.path(), "'" + tensor.name + "', which another shard holds too",
                    "every tensor in one shard");
      }
    }
    return file;
  }

  void add_shard(const std::filesystem::path& path, const std::vector<std::string>& tensors) {
    const SafetensorsFile& file = add(path);
    for (const std::string& name : tensors) {
      if (file.find(name) == nullptr) {
        throw Error(ErrorCode::bad_file, file.path(), "no '" + name + "'", "what " + path_ + " says of this shard");
      }
    }
  }

  FileAccess access_;
  std::string path_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, StoredTensor, std::less<>> tensors_;
};

}  // namespace tessera
