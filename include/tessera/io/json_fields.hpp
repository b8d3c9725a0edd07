// Structs as JSON objects. visit_fields(struct, visitor) stands beside the struct's own header or in its *_json.hpp,
// and calls visitor(name, field) in the order of the alphabet; json_names(enumeration) lists {value, name} pairs.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <type_traits>

#include <tessera/core/error.hpp>
#include <tessera/io/json.hpp>

namespace tessera {

template <class T>
concept JsonList = requires(const T& list) {
  list.begin();
};

template <class E>
std::string_view json_name(E value) {
  for (const auto& [one, name] : json_names(value)) {
    if (one == value) return name;
  }
  return {};
}

template <class T>
void write_json(JsonText& text, const T& value) {
  if constexpr (std::is_enum_v<T>) {
    text.value(json_name(value));
  } else if constexpr (std::is_arithmetic_v<T>) {
    text.value(value);
  } else if constexpr (JsonList<T>) {
    text.array(value);
  } else {
    text.begin_object();
    visit_fields(value, [&](std::string_view name, const auto& field) { write_json(text.key(name), field); });
    text.end_object();
  }
}

template <class T>
std::string json_text_of(const T& value) {
  JsonText text;
  write_json(text, value);
  return std::move(text).text();
}

/// Fills a struct; fields that the object lacks keep their values. `path` is where `json` stands in `subject`. Throws
/// Error(bad_file) that names the first field which is unknown or has a value that it cannot have.
template <class T>
void read_json(const JsonValue& json, T& value, std::string_view subject, const std::string& path = {}) {
  const auto require = [&](bool holds, std::string_view expected) {
    const std::string found = path.empty() ? json.summary() : path + " " + json.summary();
    if (!holds) throw Error(ErrorCode::bad_file, subject, found, expected);
  };
  const auto below = [&](std::string_view name) {
    return path.empty() ? std::string(name) : path + "." + std::string(name);
  };
  if constexpr (std::is_same_v<T, bool>) {
    require(json.boolean().has_value(), "true or false");
    value = *json.boolean();
  } else if constexpr (std::is_integral_v<T>) {
    require(json.integer().has_value(), "an integer below 2^63");
    value = *json.integer();
  } else if constexpr (std::is_floating_point_v<T>) {
    require(json.real().has_value(), "a number");
    value = *json.real();
  } else if constexpr (std::is_enum_v<T>) {
    std::string names;
    bool known = false;
    for (const auto& [one, name] : json_names(value)) {
      names.append(names.empty() ? "\"" : " or \"").append(name).append("\"");
      if (!json.is_string() || json.string() != name) continue;
      value = one;
      known = true;
    }
    require(known, names);
  } else if constexpr (JsonList<T>) {
    require(json.is_array() && json.items().size() == value.size(),
            "an array of " + std::to_string(value.size()) + " numbers");
    for (std::size_t i = 0; i < value.size(); ++i)
      read_json(json.items()[i], value[i], subject, below(std::to_string(i)));
  } else {
    require(json.is_object(), "a JSON object");
    for (const std::string& key : json.keys()) {
      bool known = false;
      visit_fields(value, [&](std::string_view name, auto&) { known = known || name == key; });
      if (!known) throw Error(ErrorCode::bad_file, subject, "unknown field " + below(key), "the fields of a Config");
    }
    visit_fields(value, [&](std::string_view name, auto& field) {
      if (const JsonValue* const found = json.find(name)) read_json(*found, field, subject, below(name));
    });
  }
}

/// Every number, boolean and name in a struct by its path, "encoder.dim" or "pixel_decoder.channel_mult.0", as JSON.
template <class T>
void list_fields(const T& value, std::map<std::string, std::string>& list, const std::string& path = {}) {
  const auto below = [&](const std::string& name) { return path.empty() ? name : path + "." + name; };
  if constexpr (std::is_enum_v<T> || std::is_arithmetic_v<T>) {
    list[path] = json_text_of(value);
  } else if constexpr (JsonList<T>) {
    for (std::size_t i = 0; i < value.size(); ++i) list_fields(value[i], list, below(std::to_string(i)));
  } else {
    visit_fields(value,
                 [&](std::string_view name, const auto& field) { list_fields(field, list, below(std::string(name))); });
  }
}

template <class T>
std::map<std::string, std::string> fields_of(const T& value) {
  std::map<std::string, std::string> list;
  list_fields(value, list);
  return list;
}

}  // namespace tessera
