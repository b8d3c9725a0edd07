// The JSON header of a safetensors file, checked field by field. https://github.com/huggingface/safetensors#format
//
//     8 bytes: header length n, little-endian | n bytes: JSON object | data, one tensor after the other, no holes
//     {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {"key": "text"}}
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/io/dtype.hpp>
#include <tessera/io/file_kind.hpp>
#include <tessera/io/pickle.hpp>
#include <tessera/io/read_file.hpp>

namespace tessera {

/// One tensor of a safetensors file.
struct TensorInfo {
  std::string name;
  DType dtype = DType::f32;
  std::vector<Index> shape;
  Index begin = 0, end = 0;  ///< bytes, counted from the start of the data
};

/// What the header says; tensors in the order of their data.
struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
};

namespace detail {

/// The reference implementation's limit.
inline constexpr std::uint64_t max_safetensors_header = 100'000'000;

/// Of one tensor's shape.
inline constexpr std::size_t most_sizes = 64;

/// Events of nlohmann's parser, so that duplicate names are seen (its document type silently merges them) and nothing
/// but the schema above is ever stored. Throws Error(bad_file) at the first event that the schema does not allow.
class SafetensorsHeaderParser {
 public:
  SafetensorsHeaderParser(std::string_view file, SafetensorsHeader& header) : file_(file), header_(header) {}

  bool start_object(std::size_t) {
    if (place_ == Place::start)
      place_ = Place::top;
    else if (place_ == Place::top_value)
      place_ = name_ == "__metadata__" ? Place::metadata : Place::tensor;
    else
      unexpected("an object");
    return true;
  }

  bool key(std::string& key) {
    if (place_ == Place::top) return top_key(key);
    name_or_field_is_new(key);
    if (place_ == Place::metadata)
      place_ = Place::metadata_value;
    else if (key == "dtype")
      place_ = Place::dtype;
    else if (key == "shape")
      place_ = Place::shape;
    else if (key == "data_offsets")
      place_ = Place::offsets;
    else
      fail("key '" + key + "'", "dtype, shape or data_offsets");
    return true;
  }

  bool end_object() {
    if (place_ == Place::tensor) end_tensor();
    place_ = place_ == Place::top ? Place::end : Place::top;
    fields_.clear();
    return true;
  }

  bool string(std::string& text) {
    if (place_ == Place::metadata_value) {
      header_.metadata[fields_.back()] = text;
      place_ = Place::metadata;
    } else if (place_ == Place::dtype) {
      tensor_.dtype = parse_dtype(text);
      place_ = Place::tensor;
    } else {
      unexpected("a string");
    }
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ == Place::shape)
      place_ = Place::shape_item;
    else if (place_ == Place::offsets)
      place_ = Place::offset_item;
    else
      unexpected("an array");
    return true;
  }

  bool end_array() {
    place_ = Place::tensor;
    return true;
  }

  bool number_unsigned(std::uint64_t number) {
    if (place_ != Place::shape_item && place_ != Place::offset_item) unexpected("a number");
    if (number > static_cast<std::uint64_t>(std::numeric_limits<Index>::max())) {
      fail(std::to_string(number), "sizes and offsets below 2^63");
    }
    std::vector<Index>& list = place_ == Place::shape_item ? tensor_.shape : offsets_;
    if (list.size() == most_sizes) fail("more than " + std::to_string(most_sizes) + " numbers", "a shape or offsets");
    list.push_back(static_cast<Index>(number));
    return true;
  }

  bool null() { return unexpected("null"); }
  bool boolean(bool) { return unexpected("a boolean"); }
  bool number_integer(std::int64_t) { return unexpected("a negative number"); }
  bool number_float(double, const std::string&) { return unexpected("a number that is no 64-bit integer"); }
  bool binary(std::vector<std::uint8_t>&) { return unexpected("binary data"); }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
    fail("invalid JSON at byte " + std::to_string(position) + " of the header", "a JSON object");
  }

 private:
  enum class Place {
    start,
    top,
    top_value,
    metadata,
    metadata_value,
    tensor,
    dtype,
    shape,
    shape_item,
    offsets,
    offset_item,
    end
  };

  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    const bool inside = place_ != Place::start && place_ != Place::top && place_ != Place::end;
    const std::string subject = inside ? file_ + ": '" + name_ + "'" : file_;
    throw Error(ErrorCode::bad_file, subject, found, expected);
  }

  bool unexpected(std::string_view found) const {
    switch (place_) {
      case Place::metadata_value:
        fail(found, "a string as the value of '" + fields_.back() + "'");
      case Place::dtype:
        fail(found, "a string as dtype");
      case Place::shape:
      case Place::shape_item:
        fail(found, "an array of integers >= 0 as shape");
      case Place::offsets:
      case Place::offset_item:
        fail(found, "an array of two integers >= 0 as data_offsets");
      case Place::top_value:
        fail(found, "an object");
      default:
        fail(found, "an object as header");
    }
  }

  bool top_key(std::string& key) {
    name_ = std::move(key);
    if (!names_.insert(name_).second) fail("the name '" + name_ + "' twice", "unique names");
    tensor_ = {};
    offsets_.clear();
    place_ = Place::top_value;
    return true;
  }

  void name_or_field_is_new(const std::string& key) {
    const bool twice = place_ == Place::metadata ? header_.metadata.contains(key)
                                                 : std::find(fields_.begin(), fields_.end(), key) != fields_.end();
    if (twice) fail("the key '" + key + "' twice", "unique keys");
    fields_.push_back(key);
  }

  DType parse_dtype(std::string_view text) const {
    for (const DTypeNames& names : dtype_names) {
      if (names.safetensors == text) return names.dtype;
    }
    fail("dtype '" + std::string(text) + "'", "BOOL, U8, I8, U16, I16, F16, BF16, U32, I32, F32, U64, I64 or F64");
  }

  void end_tensor() {
    if (fields_.size() != 3) fail(std::to_string(fields_.size()) + " keys", "dtype, shape and data_offsets");
    if (offsets_.size() != 2) fail(std::to_string(offsets_.size()) + " data_offsets", "begin and end");
    tensor_.name = name_;
    tensor_.begin = offsets_[0];
    tensor_.end = offsets_[1];
    header_.tensors.push_back(std::move(tensor_));
  }

  std::string file_;
  SafetensorsHeader& header_;
  Place place_ = Place::start;
  std::string name_;                 // of the tensor (or __metadata__) that is being read
  std::vector<std::string> fields_;  // keys seen in the object that is being read
  std::set<std::string> names_;      // all names seen
  TensorInfo tensor_;
  std::vector<Index> offsets_;
};

/// Each tensor's bytes are what shape and dtype need, and together they cover the data without holes or overlaps.
inline void check_safetensors_layout(std::string_view file, View<const TensorInfo> tensors, Index data_bytes) {
  Index covered = 0;
  for (const TensorInfo& tensor : tensors) {
    const auto fail = [&](std::string_view found, std::string_view expected) {
      throw Error(ErrorCode::bad_file, std::string(file) + ": '" + tensor.name + "'", found, expected);
    };
    const std::string range = "data_offsets [" + std::to_string(tensor.begin) + ", " + std::to_string(tensor.end) + "]";
    if (tensor.begin > tensor.end) fail(range, "begin <= end");
    if (tensor.end > data_bytes) fail(range, "at most the file's " + std::to_string(data_bytes) + " bytes of data");
    const auto bytes = byte_count(tensor.shape, tensor.dtype);
    const std::string shape = "shape " + to_string(tensor.shape) + " of " + std::string(name_of(tensor.dtype));
    if (!bytes) fail(shape, "less than 2^63 bytes");
    if (*bytes != tensor.end - tensor.begin) fail(range + " for " + shape, std::to_string(*bytes) + " bytes");
    if (tensor.begin != covered) {
      fail(range,
           std::to_string(covered) + " as begin: data without " + (tensor.begin < covered ? "overlaps" : "holes"));
    }
    covered = tensor.end;
  }
  if (covered != data_bytes) {
    throw Error(ErrorCode::bad_file, file, std::to_string(data_bytes) + " bytes of data",
                std::to_string(covered) + ", the end of the last tensor");
  }
}

/// Of the JSON text behind the first 8 bytes, where the file's first `bytes` are those of a safetensors file.
inline std::uint64_t safetensors_header_length(std::string_view file, View<const std::byte> bytes,
                                               std::size_t file_size) {
  const auto fail = [&](std::string_view found, std::string_view expected) {
    throw Error(ErrorCode::bad_file, file, found, expected);
  };
  if (is_pickle(bytes)) refuse_pickle(file);
  const std::string_view kind = describe_content(bytes);
  // What is no other format either may be a safetensors file that is damaged.
  if (kind != "a safetensors file" && kind != unknown_content && kind != "nothing but zeros" &&
      (kind != "text" || bytes.size() >= 8)) {
    fail(kind, "a safetensors file");
  }
  if (bytes.size() < 8) fail(std::to_string(bytes.size()) + " bytes", "a safetensors file (8 bytes or more)");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  if (length > file_size - 8) {
    fail("a header length of " + std::to_string(length),
         "at most the file's other " + std::to_string(file_size - 8) + " bytes (is this a complete safetensors file?)");
  }
  if (length > max_safetensors_header) fail("a header length of " + std::to_string(length), "at most 10^8");
  return length;
}

}  // namespace detail

/// Reads and checks the header of a safetensors file of `file_size` bytes, of which `bytes` are the first: the header
/// at least, where it is sound. `file` names it in errors. `data_start` receives where the data begins. Throws
/// Error(bad_file); every field is checked before it is used.
inline SafetensorsHeader parse_safetensors_header(std::string_view file, View<const std::byte> bytes,
                                                  std::size_t file_size, Index& data_start) {
  const auto fail = [&](std::string_view found, std::string_view expected) {
    throw Error(ErrorCode::bad_file, file, found, expected);
  };
  const std::uint64_t length = detail::safetensors_header_length(file, bytes, file_size);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + 8, static_cast<std::size_t>(length));
  if (!text.starts_with('{')) fail("a header that does not start with '{'", "a JSON object");

  SafetensorsHeader header;
  detail::SafetensorsHeaderParser parser(file, header);
  nlohmann::json::sax_parse(text.begin(), text.end(), &parser);
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  data_start = static_cast<Index>(8 + length);
  detail::check_safetensors_layout(file, header.tensors, static_cast<Index>(file_size) - data_start);
  return header;
}

/// The same of an open file, of which no more than the header is read.
inline SafetensorsHeader read_safetensors_header(std::string_view name, const FileReader& file, Index& data_start) {
  std::vector<std::byte> bytes(std::min(file.size(), file_kind_bytes));
  bytes.resize(file.read(0, bytes));
  const std::uint64_t length = detail::safetensors_header_length(name, bytes, file.size());
  bytes.resize(8 + static_cast<std::size_t>(length));
  if (file.read(0, bytes) != bytes.size()) {
    throw Error(ErrorCode::bad_file, name, "a file that becomes shorter while it is read", "a whole file");
  }
  return parse_safetensors_header(name, bytes, file.size(), data_start);
}

}  // namespace tessera
