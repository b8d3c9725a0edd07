// Token files: .npy (integers [B, T], written as int32), .jsonl (one object an image) and plain text (one line an
// image).
#pragma once

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/io/atomic_file.hpp>
#include <tessera/io/file_kind.hpp>
#include <tessera/io/json.hpp>
#include <tessera/io/lines.hpp>
#include <tessera/io/npy.hpp>

namespace tessera {

/// The tokens of some images.
struct TokenTable {
  Index length = 0;                // T, tokens per image
  std::vector<Token> tokens;       // [B, T]
  std::vector<std::string> files;  // [B], or empty where the file does not name the images

  /// B.
  [[nodiscard]] Index images() const { return length > 0 ? static_cast<Index>(tokens.size()) / length : 0; }
  [[nodiscard]] View<const Token> image(Index b) const {
    return View<const Token>(tokens).subspan(static_cast<std::size_t>(b * length), static_cast<std::size_t>(length));
  }
};

namespace detail {

/// Collects the rows of a table and checks every id; `where` is the file, or the file and the line.
class TokenCollector {
 public:
  TokenCollector(Index length, Index codes) : codes_(codes) { table_.length = length; }

  template <class Integer>
  void add(const std::string& where, Integer id) {
    if (std::cmp_less(id, 0) || std::cmp_greater_equal(id, codes_)) {
      throw Error(ErrorCode::mismatch, where, "token " + std::to_string(id),
                  "ids from 0 to " + std::to_string(codes_ - 1));
    }
    table_.tokens.push_back(static_cast<Token>(id));
  }

  /// The row that began at `row_start` is complete.
  void end_row(const std::string& where, std::size_t row_start) const {
    const std::size_t count = table_.tokens.size() - row_start;
    if (count != static_cast<std::size_t>(table_.length)) {
      throw Error(ErrorCode::mismatch, where, std::to_string(count) + " tokens",
                  std::to_string(table_.length) + " per image");
    }
  }

  TokenTable& table() { return table_; }

 private:
  Index codes_;
  TokenTable table_;
};

/// Calls f(values) with the elements of an array of integers. Throws Error(mismatch) for other arrays.
template <class F>
void visit_integers(const NpyFile& file, F&& f) {
  switch (file.dtype()) {
    case DType::u8:
      return f(file.values<std::uint8_t>());
    case DType::i8:
      return f(file.values<std::int8_t>());
    case DType::u16:
      return f(file.values<std::uint16_t>());
    case DType::i16:
      return f(file.values<std::int16_t>());
    case DType::u32:
      return f(file.values<std::uint32_t>());
    case DType::i32:
      return f(file.values<std::int32_t>());
    case DType::u64:
      return f(file.values<std::uint64_t>());
    case DType::i64:
      return f(file.values<std::int64_t>());
    default:
      throw Error(ErrorCode::mismatch, file.path(), std::string(name_of(file.dtype())) + " elements",
                  "integers of 8 to 64 bits");
  }
}

inline void read_token_npy(const std::filesystem::path& path, TokenCollector& collector) {
  const NpyFile file(path, FileAccess::read);
  const std::vector<Index>& shape = file.shape();
  const Index length = collector.table().length;
  if (shape.empty() || shape.size() > 2 || shape.back() != length) {
    throw Error(ErrorCode::mismatch, file.path(), "shape " + to_string(shape),
                "[B, " + std::to_string(length) + "], or [" + std::to_string(length) + "] for one image");
  }
  visit_integers(file, [&](auto values) {
    for (const auto id : values) collector.add(file.path(), id);
  });
}

inline void read_token_object(const std::string& where, std::string_view line, TokenCollector& collector) {
  const std::optional<JsonValue> object = parse_json(line);
  const auto fail = [&](std::string_view found, std::string_view expected) {
    throw Error(ErrorCode::bad_file, where, found, expected);
  };
  if (!object || !object->is_object()) fail("no JSON object", "{\"file\": ..., \"tokens\": [...]}");
  const JsonValue* const tokens = object->find("tokens");
  if (tokens == nullptr || !tokens->is_array()) fail("no array \"tokens\"", "{\"file\": ..., \"tokens\": [...]}");
  for (const JsonValue& id : tokens->items()) {
    if (id.kind() == JsonValue::Kind::unsigned_integer) fail("token " + id.summary(), "ids of the codebook");
    if (!id.integer()) fail("a token that is no integer", "integers");
    collector.add(where, *id.integer());
  }
  const JsonValue* const file = object->find("file");
  if (file != nullptr && !file->is_string()) fail("a \"file\" that is no string", "a string");
  collector.table().files.push_back(file != nullptr ? file->string() : std::string());
}

inline void read_token_words(const std::string& where, std::string_view line, TokenCollector& collector) {
  constexpr std::string_view separators = " \t,";
  for (std::size_t at = line.find_first_not_of(separators); at != std::string_view::npos;
       at = line.find_first_not_of(separators, at)) {
    const std::size_t end = std::min(line.find_first_of(separators, at), line.size());
    std::int64_t id = 0;
    const auto [stop, error] = std::from_chars(line.data() + at, line.data() + end, id);
    if (error != std::errc() || stop != line.data() + end) {
      throw Error(ErrorCode::bad_file, where,
                  "'" + std::string(line.substr(at, std::min<std::size_t>(end - at, 40))) + "'", "an integer");
    }
    collector.add(where, id);
    at = end;
  }
}

template <class ReadLine>
void read_token_lines(const std::filesystem::path& path, TokenCollector& collector, ReadLine read_line) {
  LineReader lines(path);
  const std::string_view kind = describe_content(lines.start());
  if (kind != "text" && kind != "JSON text" && kind != "an empty file") {
    throw Error(ErrorCode::bad_file, path.string(), kind, "a text of token ids");
  }
  std::string_view line;
  for (Index number = 1; lines.next(line); ++number) {
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    const std::string where = path.string() + ", line " + std::to_string(number);
    const std::size_t row_start = collector.table().tokens.size();
    read_line(where, line, collector);
    collector.end_row(where, row_start);
  }
}

inline void check_sizes(const std::filesystem::path& path, const TokenTable& table) {
  const std::size_t images = static_cast<std::size_t>(table.images());
  if (table.tokens.size() != images * static_cast<std::size_t>(table.length)) {
    throw Error(ErrorCode::bad_argument, path.string(), std::to_string(table.tokens.size()) + " tokens",
                "whole images of " + std::to_string(table.length));
  }
  if (!table.files.empty() && table.files.size() != images) {
    throw Error(ErrorCode::bad_argument, path.string(), std::to_string(table.files.size()) + " names of images",
                std::to_string(images) + ", or none");
  }
}

}  // namespace detail

/// Reads tokens of images with `length` tokens each, ids in [0, codes). By extension: .npy holds integers of any size,
/// [B, length] or, for one image, [length]; .jsonl one object a line with "tokens" and perhaps "file"; anything else is
/// text, a line of integers an image. Blank lines are skipped. Throws Error: file_access; bad_file or mismatch, also
/// where there is no image; for text formats it names the line.
inline TokenTable read_tokens(const std::filesystem::path& path, Index length, Index codes) {
  detail::TokenCollector collector(length, codes);
  if (path.extension() == ".npy")
    detail::read_token_npy(path, collector);
  else if (path.extension() == ".jsonl")
    detail::read_token_lines(path, collector, detail::read_token_object);
  else
    detail::read_token_lines(path, collector, detail::read_token_words);
  if (collector.table().tokens.empty()) {
    throw Error(ErrorCode::mismatch, path.string(), "no tokens", std::to_string(length) + " per image");
  }
  return std::move(collector.table());
}

/// One image's tokens as text: ids separated by spaces, no line end.
inline std::string format_tokens(View<const Token> tokens) {
  std::string text;
  for (const Token token : tokens) {
    if (!text.empty()) text += ' ';
    text += std::to_string(token);
  }
  return text;
}

/// One image's line of a .jsonl file, without the line end. Bytes of the name that are not UTF-8 are replaced.
inline std::string format_tokens_json(const std::string& file, View<const Token> tokens) {
  JsonText text(JsonText::Invalid::replace);
  text.begin_object().field("file", file).key("tokens").array(tokens);
  return std::move(text.end_object()).text();
}

/// Writes atomically; the format follows the extension as in read_tokens. Throws Error(file_access), and
/// Error(bad_argument) where `table.tokens` ends within an image or `table.files` names another number of images.
inline void write_tokens(const std::filesystem::path& path, const TokenTable& table) {
  detail::check_sizes(path, table);
  if (path.extension() == ".npy") {
    const Index shape[2] = {table.images(), table.length};
    return write_npy<Token>(path, shape, table.tokens);
  }
  AtomicFile file(path);
  for (Index b = 0; b < table.images(); ++b) {
    const std::string name = table.files.empty() ? std::string() : table.files[static_cast<std::size_t>(b)];
    file.write(
        (path.extension() == ".jsonl" ? format_tokens_json(name, table.image(b)) : format_tokens(table.image(b))) +
        "\n");
  }
  file.commit();
}

}  // namespace tessera
