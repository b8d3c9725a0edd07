// A small JSON file: config.json, the index of a model's shards.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/io/file_kind.hpp>
#include <tessera/io/json.hpp>
#include <tessera/io/read_file.hpp>

namespace tessera {

/// The most bytes that are read; an index of 100,000 tensors has a tenth of them.
inline constexpr std::size_t most_json_bytes = std::size_t{1} << 26;

/// Throws Error: file_access; bad_file for what is no JSON, or larger than most_json_bytes.
inline JsonValue read_json_file(const std::filesystem::path& path, std::string_view expected) {
  const std::vector<std::byte> bytes = read_file(path, most_json_bytes);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::string error;
  if (std::optional<JsonValue> value = parse_json(text, &error)) return std::move(*value);
  // JSON that is damaged further on is described by where, everything else by what it is.
  const std::string_view kind = describe_content(bytes);
  const bool meant = kind == "JSON text";
  throw Error(ErrorCode::bad_file, path.string(), meant ? std::string_view(error) : kind, expected);
}

}  // namespace tessera
