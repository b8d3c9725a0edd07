// safetensors files: named arrays, nothing executable. The header's rules are in io/safetensors_header.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <tessera/core/error.hpp>
#include <tessera/core/half.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/core/types.hpp>
#include <tessera/io/atomic_file.hpp>
#include <tessera/io/dtype.hpp>
#include <tessera/io/json.hpp>
#include <tessera/io/mapped_file.hpp>
#include <tessera/io/safetensors_header.hpp>

namespace tessera {

/// A safetensors file whose header has been checked completely; its data is mapped unless told otherwise (io/
/// mapped_file.hpp says what that asks for).
class SafetensorsFile {
 public:
  /// Throws Error(file_access) or Error(bad_file).
  explicit SafetensorsFile(const std::filesystem::path& path, FileAccess access = FileAccess::map)
      : SafetensorsFile(FileReader(path), path, access) {}

  [[nodiscard]] const std::string& path() const { return path_; }

  /// In the order of their data in the file.
  [[nodiscard]] const std::vector<TensorInfo>& tensors() const { return header_.tensors; }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return header_.metadata; }

  /// nullptr if there is no tensor of this name.
  [[nodiscard]] const TensorInfo* find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &header_.tensors[found->second];
  }

  /// The tensor's bytes in the file; they need not be aligned to the element type.
  [[nodiscard]] View<const std::byte> bytes(const TensorInfo& tensor) const {
    return file_.bytes().subspan(static_cast<std::size_t>(data_start_ + tensor.begin),
                                 static_cast<std::size_t>(tensor.end - tensor.begin));
  }

  /// The values of an F32 tensor in the mapped file; empty where it is of another type, or lies on no multiple of 4.
  [[nodiscard]] View<const float> float32_values(const TensorInfo& tensor) const {
    const View<const std::byte> stored = bytes(tensor);
    if (tensor.dtype != DType::f32 || reinterpret_cast<std::uintptr_t>(stored.data()) % alignof(float) != 0) return {};
    return {reinterpret_cast<const float*>(stored.data()), stored.size() / sizeof(float)};
  }

  /// Gives the memory behind a tensor's bytes back until somebody reads them again.
  void release(const TensorInfo& tensor) const { file_.release(bytes(tensor)); }

  /// Converts to float32: F32, F16 and BF16 exactly, F64 rounded. `out` has as many elements as the tensor.
  /// Throws Error(mismatch) for other types and sizes.
  void read_float32(const TensorInfo& tensor, View<float> out) const {
    switch (tensor.dtype) {
      case DType::f32:
        return convert<float>(tensor, out, [](float x) { return x; });
      case DType::f64:
        return convert<double>(tensor, out, [](double x) { return static_cast<float>(x); });
      case DType::f16:
        return convert<std::uint16_t>(tensor, out, half_to_float);
      case DType::bf16:
        return convert<std::uint16_t>(tensor, out, bfloat16_to_float);
      default:
        mismatch(tensor, name_of(tensor.dtype), "F32, F16, BF16 or F64");
    }
  }

  /// Copies a tensor whose element type is T (core types of dtype_of). Throws Error(mismatch) otherwise.
  template <class T>
  void read(const TensorInfo& tensor, View<T> out) const {
    if (tensor.dtype != dtype_of<T>()) mismatch(tensor, name_of(tensor.dtype), name_of(dtype_of<T>()));
    convert<T>(tensor, out, [](T x) { return x; });
  }

 private:
  SafetensorsFile(const FileReader& file, const std::filesystem::path& path, FileAccess access)
      : path_(path.string()), header_(read_safetensors_header(path_, file, data_start_)), file_(file, path, access) {
    for (std::size_t i = 0; i < header_.tensors.size(); ++i) by_name_.emplace(header_.tensors[i].name, i);
  }

  template <class Stored, class T, class Function>
  void convert(const TensorInfo& tensor, View<T> out, Function function) const {
    const View<const std::byte> stored = bytes(tensor);
    if (stored.size() / sizeof(Stored) != out.size()) {
      mismatch(tensor, "shape " + to_string(tensor.shape), std::to_string(out.size()) + " elements");
    }
    constexpr std::size_t step = std::size_t{1} << 18;
    parallel_for(static_cast<Index>((out.size() + step - 1) / step), [&](Index part) {
      const std::size_t begin = static_cast<std::size_t>(part) * step;
      for (std::size_t i = begin; i < std::min(begin + step, out.size()); ++i) {
        Stored x;
        std::memcpy(&x, stored.data() + i * sizeof(Stored), sizeof(Stored));
        out[i] = function(x);
      }
    });
  }

  [[noreturn]] void mismatch(const TensorInfo& tensor, std::string_view found, std::string_view expected) const {
    throw Error(ErrorCode::mismatch, path_ + ": '" + tensor.name + "'", found, expected);
  }

  std::string path_;
  Index data_start_ = 0;
  SafetensorsHeader header_;
  MappedFile file_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
};

/// One array to be written; the bytes belong to the caller.
struct TensorToWrite {
  std::string name;
  DType dtype;  ///< of the bytes in memory
  std::vector<Index> shape;
  View<const std::byte> bytes;
  DType stored = dtype;  ///< in the file: the same, or F16 where dtype is F32 (rounded to nearest, ties to even)
};

template <class T>
TensorToWrite tensor_to_write(std::string name, std::vector<Index> shape, View<const T> values) {
  return {std::move(name), dtype_of<T>(), std::move(shape), std::as_bytes(values)};
}

namespace detail {

inline void check_tensor_to_write(const std::string& path, const TensorToWrite& tensor) {
  const auto fail = [&](std::string_view found, std::string_view expected) {
    throw Error(ErrorCode::bad_argument, path + ": '" + tensor.name + "'", found, expected);
  };
  const auto bytes = byte_count(tensor.shape, tensor.dtype);
  if (!bytes || static_cast<std::size_t>(*bytes) != tensor.bytes.size()) {
    fail(std::to_string(tensor.bytes.size()) + " bytes",
         "as many as " + to_string(tensor.shape) + " of " + std::string(name_of(tensor.dtype)) + " needs");
  }
  const bool to_half = tensor.dtype == DType::f32 && tensor.stored == DType::f16;
  if (tensor.stored != tensor.dtype && !to_half) {
    fail(std::string(name_of(tensor.dtype)) + " stored as " + std::string(name_of(tensor.stored)), "F32 stored as F16");
  }
  if (tensor.name == "__metadata__") fail("a reserved name", "another name");
}

/// The header's JSON, padded with spaces so that the data starts at a multiple of 8.
inline std::string safetensors_header_text(const std::string& path, View<const TensorToWrite* const> tensors,
                                           const std::map<std::string, std::string>& metadata) {
  std::set<std::string_view> names;
  std::string text;
  try {
    JsonText header;
    header.begin_object();
    if (!metadata.empty()) {
      header.key("__metadata__").begin_object();
      for (const auto& [key, value] : metadata) header.field(key, value);
      header.end_object();
    }
    Index begin = 0;
    for (const TensorToWrite* tensor : tensors) {
      if (!names.insert(tensor->name).second) {
        throw Error(ErrorCode::bad_argument, path, "two tensors of one name, '" + tensor->name + "'", "unique names");
      }
      const Index end = begin + *byte_count(tensor->shape, tensor->stored);
      header.key(tensor->name).begin_object().field("dtype", name_of(tensor->stored));
      header.key("shape").array(tensor->shape).key("data_offsets").array(std::array<Index, 2>{begin, end}).end_object();
      begin = end;
    }
    text = std::move(header.end_object()).text();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::bad_argument, path, "a name or metadata that is not UTF-8", "UTF-8");
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

inline void write_as_half(AtomicFile& file, View<const std::byte> floats) {
  std::array<std::uint16_t, 4096> halves;
  for (std::size_t done = 0; done < floats.size();) {
    const std::size_t count = std::min(halves.size(), (floats.size() - done) / sizeof(float));
    for (std::size_t i = 0; i < count; ++i) {
      float x;
      std::memcpy(&x, floats.data() + done + i * sizeof(float), sizeof(float));
      halves[i] = float_to_half(x);
    }
    file.write(std::as_bytes(View<const std::uint16_t>(halves.data(), count)));
    done += count * sizeof(float);
  }
}

}  // namespace detail

/// Writes a safetensors file atomically (io/atomic_file.hpp). Tensors with wider elements come first, so that all are
/// aligned; within one width the given order is kept. Throws Error(bad_argument) for wrong sizes, names that repeat
/// or are not UTF-8, and Error(file_access).
inline void write_safetensors(const std::filesystem::path& path, View<const TensorToWrite> tensors,
                              const std::map<std::string, std::string>& metadata = {}) {
  std::vector<const TensorToWrite*> order;
  for (const TensorToWrite& tensor : tensors) {
    detail::check_tensor_to_write(path.string(), tensor);
    order.push_back(&tensor);
  }
  std::stable_sort(order.begin(), order.end(), [](const TensorToWrite* a, const TensorToWrite* b) {
    return byte_size(a->stored) > byte_size(b->stored);
  });
  const std::string header = detail::safetensors_header_text(path.string(), order, metadata);
  const std::uint64_t length = header.size();

  AtomicFile file(path);
  file.write(std::as_bytes(View<const std::uint64_t>(&length, 1)));
  file.write(header);
  for (const TensorToWrite* tensor : order) {
    if (tensor->stored == tensor->dtype)
      file.write(tensor->bytes);
    else
      detail::write_as_half(file, tensor->bytes);
  }
  file.commit();
}

}  // namespace tessera
