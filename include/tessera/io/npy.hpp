// NumPy's .npy files: one array. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
//
//     "\x93NUMPY" | major, minor | header length: 2 bytes (version 1) or 4 (2, 3) | {'descr': '<f4', 'fortran_order':
//     False, 'shape': (2, 3), } | data, C order
#pragma once

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/io/atomic_file.hpp>
#include <tessera/io/dtype.hpp>
#include <tessera/io/file_kind.hpp>
#include <tessera/io/mapped_file.hpp>
#include <tessera/io/read_file.hpp>

namespace tessera {

namespace detail {

/// NumPy's own are shorter than 64 KiB but for structured arrays.
inline constexpr std::uint32_t most_npy_header = std::uint32_t{1} << 20;

/// A parser for the one Python dictionary that .npy headers hold: three keys in any order, nothing else.
class NpyHeaderParser {
 public:
  NpyHeaderParser(std::string_view file, std::string_view text) : file_(file), text_(text) {}

  void parse(DType& dtype, std::vector<Index>& shape) {
    bool seen[3] = {};
    take('{');
    while (!try_take('}')) {
      const std::string_view key = quoted();
      take(':');
      const int field = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : 3;
      if (field == 3 || seen[field])
        fail("key '" + std::string(key) + "'", "descr, fortran_order and shape, once each");
      seen[field] = true;
      if (field == 0) dtype = parse_descr();
      if (field == 1) parse_order();
      if (field == 2) shape = parse_shape();
      if (!try_take(',') && peek() != '}') fail("a header that goes on after a value", "',' or '}'");
    }
    skip_spaces();
    if (!text_.empty()) fail("text behind the header's '}'", "spaces and a line end");
    if (!seen[0] || !seen[1] || !seen[2]) fail("an incomplete header", "descr, fortran_order and shape");
  }

 private:
  [[noreturn]] void fail(std::string_view found, std::string_view expected) const {
    throw Error(ErrorCode::bad_file, file_, found, expected);
  }

  void skip_spaces() { text_.remove_prefix(std::min(text_.find_first_not_of(" \n"), text_.size())); }

  char peek() {
    skip_spaces();
    return text_.empty() ? '\0' : text_.front();
  }

  bool try_take(char c) {
    if (peek() != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  void take(char c) {
    if (!try_take(c)) fail("a header without '" + std::string(1, c) + "' where it belongs", "a .npy header");
  }

  std::string_view quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail("a header without a quoted word where it belongs", "a .npy header");
    const std::size_t end = text_.find(quote, 1);
    if (end == std::string_view::npos) fail("a quote that does not end", "a .npy header");
    const std::string_view word = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return word;
  }

  DType parse_descr() {
    if (peek() == '[') fail("a structured array (descr is a list of fields)", "plain numbers (save array['field'])");
    const std::string_view descr = quoted();
    const std::string_view kind = descr.substr(std::min<std::size_t>(1, descr.size()));
    for (const DTypeNames& names : dtype_names) {
      if (names.npy.empty() || names.npy.substr(1) != kind) continue;
      if (descr[0] == names.npy[0] || (names.bytes == 1 && std::string_view("<>=|").find(descr[0]) < 4)) {
        return names.dtype;
      }
      if (descr[0] == '>') {
        fail("big-endian descr '" + std::string(descr) + "'",
             "little-endian numbers (save with .astype('" + std::string(names.npy) + "'))");
      }
    }
    fail("descr '" + std::string(descr) + "'",
         "integers or floats such as '<f4', '|u1' or '<i4' (save with .astype(...))");
  }

  void parse_order() {
    peek();
    if (text_.starts_with("True")) fail("Fortran order", "C order (save with numpy.ascontiguousarray)");
    if (!text_.starts_with("False")) fail("neither True nor False", "'fortran_order': False");
    text_.remove_prefix(5);
  }

  std::vector<Index> parse_shape() {
    std::vector<Index> shape;
    take('(');
    while (!try_take(')')) {
      shape.push_back(parse_size());
      if (shape.size() > 32) fail("more than 32 dimensions", "at most 32");
      // (3) is a number to Python, (3,) a tuple.
      if (!try_take(',') && (peek() != ')' || shape.size() == 1)) fail("a malformed shape", "a tuple such as (2, 3)");
    }
    return shape;
  }

  Index parse_size() {
    Index size = 0;
    if (peek() < '0' || peek() > '9') fail("a size that is no number", "integers >= 0");
    for (; !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; text_.remove_prefix(1)) {
      if (__builtin_mul_overflow(size, Index{10}, &size) ||
          __builtin_add_overflow(size, Index{text_.front() - '0'}, &size)) {
        fail("a size beyond 2^63", "sizes that fit the file");
      }
    }
    return size;
  }

  std::string file_;
  std::string_view text_;
};

}  // namespace detail

/// A .npy file (versions 1 to 3; little-endian integers and floats; C order) whose header has been checked completely;
/// its data is mapped unless told otherwise (io/mapped_file.hpp says what that asks for).
class NpyFile {
 public:
  /// Throws Error(file_access) or Error(bad_file).
  explicit NpyFile(const std::filesystem::path& path, FileAccess access = FileAccess::map)
      : NpyFile(FileReader(path), path, access) {}

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] const std::vector<Index>& shape() const { return shape_; }
  [[nodiscard]] View<const std::byte> bytes() const { return data_; }

  /// The elements, in C order, valid as long as this object. Throws Error(mismatch) if they are not of type T.
  template <class T>
  [[nodiscard]] View<const T> values() const {
    if (dtype_ != dtype_of<T>()) {
      throw Error(ErrorCode::mismatch, path_, std::string(name_of(dtype_)) + " elements", name_of(dtype_of<T>()));
    }
    return {reinterpret_cast<const T*>(data_.data()), data_.size() / sizeof(T)};
  }

 private:
  NpyFile(const FileReader& file, const std::filesystem::path& path, FileAccess access)
      : path_(path.string()), start_(read_header(file)), file_(file, path, access) {
    const View<const std::byte> data = file_.bytes().subspan(start_);
    const auto bytes = byte_count(shape_, dtype_);
    if (!bytes || static_cast<std::size_t>(*bytes) != data.size()) {
      throw Error(ErrorCode::bad_file, path_, std::to_string(data.size()) + " bytes of data",
                  "as many as shape " + to_string(shape_) + " of " + std::string(name_of(dtype_)) + " needs");
    }
    // NumPy aligns the data; other writers need not.
    if (start_ % static_cast<std::size_t>(byte_size(dtype_)) != 0) copy_.assign(data.begin(), data.end());
    data_ = copy_.empty() ? data : View<const std::byte>(copy_);
  }

  /// Fills dtype_ and shape_ and returns where the data starts.
  std::size_t read_header(const FileReader& file) {
    std::vector<std::byte> bytes(std::min(file.size(), file_kind_bytes));
    bytes.resize(file.read(0, bytes));
    const auto fail = [&](std::string_view found, std::string_view expected) {
      throw Error(ErrorCode::bad_file, path_, found, expected);
    };
    if (bytes.size() < 10 || std::memcmp(bytes.data(), "\x93NUMPY", 6) != 0) {
      const std::string_view kind = describe_content(bytes);
      const bool unknown = kind == unknown_content || kind == "a NumPy array (.npy)";
      fail(unknown ? "no .npy signature" : kind, "a .npy file");
    }
    const int version = std::to_integer<int>(bytes[6]);
    if (version < 1 || version > 3) fail("version " + std::to_string(version), ".npy version 1, 2 or 3");
    const std::size_t width = version == 1 ? 2 : 4;
    const std::size_t before = 8 + width;
    std::uint32_t length = 0;
    if (bytes.size() >= before) std::memcpy(&length, bytes.data() + 8, width);
    if (bytes.size() < before || length > file.size() - before || length > detail::most_npy_header) {
      fail("a header of " + std::to_string(length) + " bytes", "a complete .npy file");
    }
    bytes.resize(before + length);
    if (file.read(0, bytes) != bytes.size()) fail("a file that becomes shorter while it is read", "a whole file");
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + before, length);
    detail::NpyHeaderParser(path_, text).parse(dtype_, shape_);
    return before + length;
  }

  std::string path_;
  DType dtype_ = DType::f32;
  std::vector<Index> shape_;
  std::size_t start_;
  MappedFile file_;
  std::vector<std::byte> copy_;
  View<const std::byte> data_;
};

/// Writes an array in C order, some elements at a time; the file appears with commit() (io/atomic_file.hpp). T: float,
/// double, uint8, int32 or int64.
template <class T>
class NpyWriter {
 public:
  /// Throws Error: file_access; bad_argument for a shape that is no array's.
  NpyWriter(const std::filesystem::path& path, View<const Index> shape)
      : path_(path.string()), shape_(shape.begin(), shape.end()), expected_(count(path_, shape)), file_(path) {
    write_header();
  }

  /// Throws Error: file_access; bad_argument beyond the array's end.
  void write(View<const T> values) {
    written_ += values.size();
    if (written_ > expected_) fail();
    file_.write(std::as_bytes(values));
  }

  /// Throws Error: file_access; bad_argument where elements are missing.
  void commit() {
    if (written_ < expected_) fail();
    file_.commit();
  }

 private:
  static std::size_t count(const std::string& path, View<const Index> shape) {
    const auto bytes = byte_count(shape, dtype_of<T>());
    if (!bytes) throw Error(ErrorCode::bad_argument, path, "shape " + to_string(shape), "one of an array");
    return static_cast<std::size_t>(*bytes) / sizeof(T);
  }

  void write_header() {
    std::string sizes;
    for (const Index size : shape_) sizes += std::to_string(size) + (shape_.size() == 1 ? "," : ", ");
    if (shape_.size() > 1) sizes.resize(sizes.size() - 2);
    constexpr std::string_view descr = detail::dtype_names[static_cast<std::size_t>(dtype_of<T>())].npy;
    static_assert(!descr.empty());
    std::string header = "{'descr': '" + std::string(descr) + "', 'fortran_order': False, 'shape': (" + sizes + "), }";
    header.append(63 - (10 + header.size()) % 64, ' ');  // with the line end below, the data starts at a multiple of 64
    header += '\n';
    const auto length = static_cast<std::uint16_t>(header.size());
    file_.write(std::string_view("\x93NUMPY\x01\x00", 8));
    file_.write(std::as_bytes(View<const std::uint16_t>(&length, 1)));
    file_.write(header);
  }

  [[noreturn]] void fail() const {
    throw Error(ErrorCode::bad_argument, path_, std::to_string(written_) + " elements",
                "as many as shape " + to_string(shape_) + " needs");
  }

  std::string path_;
  std::vector<Index> shape_;
  std::size_t expected_, written_ = 0;  // elements
  AtomicFile file_;
};

/// Writes an array that is all there. Throws Error(bad_argument) if `values` is not as long as the product of the
/// sizes, and Error(file_access).
template <class T>
void write_npy(const std::filesystem::path& path, View<const Index> shape, View<const T> values) {
  NpyWriter<T> writer(path, shape);
  writer.write(values);
  writer.commit();
}

}  // namespace tessera
