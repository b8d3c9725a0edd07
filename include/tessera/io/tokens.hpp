// Token files: .npy (int32 [B, T]), .jsonl (one object an image) and plain text (one line an image).
#pragma once

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/io/atomic_file.hpp>
#include <tessera/io/mapped_file.hpp>
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

  void add(const std::string& where, std::int64_t id) {
    if (id < 0 || id >= codes_) {
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

inline void read_token_npy(const std::filesystem::path& path, TokenCollector& collector) {
  const NpyFile file(path);
  const std::vector<Index>& shape = file.shape();
  const Index length = collector.table().length;
  if (shape.size() != 2 || shape[1] != length) {
    throw Error(ErrorCode::mismatch, file.path(), "shape " + to_string(shape), "[B, " + std::to_string(length) + "]");
  }
  const auto add_all = [&](auto values) {
    for (const auto id : values) collector.add(file.path(), id);
  };
  if (file.dtype() == DType::i64)
    add_all(file.values<std::int64_t>());
  else
    add_all(file.values<std::int32_t>());
}

inline void read_token_object(const std::string& where, std::string_view line, TokenCollector& collector) {
  const auto object = nlohmann::json::parse(line.begin(), line.end(), nullptr, false);
  const auto fail = [&](std::string_view found, std::string_view expected) {
    throw Error(ErrorCode::bad_file, where, found, expected);
  };
  if (!object.is_object()) fail("no JSON object", "{\"file\": ..., \"tokens\": [...]}");
  const auto tokens = object.find("tokens");
  if (tokens == object.end() || !tokens->is_array()) fail("no array \"tokens\"", "{\"file\": ..., \"tokens\": [...]}");
  for (const auto& id : *tokens) {
    if (!id.is_number_integer()) fail("a token that is no integer", "integers");
    // Beyond int64 it would turn negative.
    const bool too_large = id.is_number_unsigned() && id.get<std::uint64_t>() >> 63 != 0;
    if (too_large) fail("token " + id.dump(), "ids of the codebook");
    collector.add(where, id.get<std::int64_t>());
  }
  const auto file = object.find("file");
  if (file != object.end() && !file->is_string()) fail("a \"file\" that is no string", "a string");
  collector.table().files.push_back(file != object.end() ? file->get<std::string>() : std::string());
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
  const MappedFile file(path);
  std::string_view rest(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  for (Index number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
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

/// Reads tokens of images with `length` tokens each, ids in [0, codes). By extension: .npy holds int32 or int64
/// [B, length]; .jsonl one object a line with "tokens" and perhaps "file"; anything else is text, a line of integers an
/// image. Blank lines are skipped. Throws Error(file_access, bad_file or mismatch); for text formats it names the line.
inline TokenTable read_tokens(const std::filesystem::path& path, Index length, Index codes) {
  detail::TokenCollector collector(length, codes);
  if (path.extension() == ".npy")
    detail::read_token_npy(path, collector);
  else if (path.extension() == ".jsonl")
    detail::read_token_lines(path, collector, detail::read_token_object);
  else
    detail::read_token_lines(path, collector, detail::read_token_words);
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
  const nlohmann::ordered_json object = {{"file", file}, {"tokens", tokens}};
  return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
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
