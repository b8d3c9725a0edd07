// JSON texts read and written. nlohmann's parser does the reading and its dump() every number and string; its documents
// are not used, since their destructors allocate and end the program where memory has run out.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>

namespace tessera {

/// Writes a text piece by piece: JsonText().begin_object().key("ids").array(ids).end_object().text().
class JsonText {
 public:
  /// Bytes of strings that are not UTF-8: an exception of nlohmann's, or replaced by U+FFFD.
  enum class Invalid { refuse, replace };
  explicit JsonText(Invalid invalid = Invalid::refuse) : invalid_(invalid) {}

  JsonText& begin_object() { return open('{'); }
  JsonText& end_object() { return close('}'); }
  JsonText& begin_array() { return open('['); }
  JsonText& end_array() { return close(']'); }
  JsonText& key(std::string_view name) {
    value(name);
    text_ += ':';
    return *this;
  }

  JsonText& value(std::string_view string) { return dump(nlohmann::json(std::string(string))); }
  JsonText& value(const char* string) { return value(std::string_view(string)); }
  JsonText& value(const std::string& string) { return value(std::string_view(string)); }
  JsonText& value(bool truth) { return append(truth ? "true" : "false"); }
  JsonText& value(std::integral auto number) { return append(std::to_string(number)); }
  JsonText& value(std::floating_point auto number) { return dump(nlohmann::json(number)); }

  template <class Values>
  JsonText& array(const Values& values) {
    begin_array();
    for (const auto& one : values) value(one);
    return end_array();
  }

  /// A field of an object.
  JsonText& field(std::string_view name, const auto& content) { return key(name).value(content); }

  [[nodiscard]] const std::string& text() const& { return text_; }
  [[nodiscard]] std::string text() && { return std::move(text_); }

 private:
  JsonText& open(char bracket) {
    separate();
    text_ += bracket;
    return *this;
  }
  JsonText& close(char bracket) {
    text_ += bracket;
    return *this;
  }
  JsonText& append(std::string_view piece) {
    separate();
    text_ += piece;
    return *this;
  }
  JsonText& dump(const nlohmann::json& one) {
    using Handler = nlohmann::json::error_handler_t;
    return append(one.dump(-1, ' ', false, invalid_ == Invalid::replace ? Handler::replace : Handler::strict));
  }
  void separate() {
    if (!text_.empty() && std::string_view("{[:").find(text_.back()) == std::string_view::npos) text_ += ',';
  }

  Invalid invalid_;
  std::string text_;
};

/// A document: null, a boolean, a number, a string, an array or an object.
class JsonValue {
 public:
  enum class Kind { null, boolean, integer, unsigned_integer, real, string, array, object };

  [[nodiscard]] Kind kind() const { return kind_; }
  [[nodiscard]] bool is_object() const { return kind_ == Kind::object; }
  [[nodiscard]] bool is_array() const { return kind_ == Kind::array; }
  [[nodiscard]] bool is_string() const { return kind_ == Kind::string; }

  /// Nothing where it is of another kind; of numbers, where it is none that fits.
  [[nodiscard]] std::optional<bool> boolean() const {
    return kind_ == Kind::boolean ? std::optional(number_ != 0) : std::nullopt;
  }
  [[nodiscard]] std::optional<std::int64_t> integer() const {
    return kind_ == Kind::integer ? std::optional(number_) : std::nullopt;
  }
  [[nodiscard]] std::optional<double> real() const {
    if (kind_ == Kind::integer) return static_cast<double>(number_);
    if (kind_ == Kind::unsigned_integer) return static_cast<double>(static_cast<std::uint64_t>(number_));
    return kind_ == Kind::real ? std::optional(real_) : std::nullopt;
  }
  /// Empty where it is no string.
  [[nodiscard]] const std::string& string() const { return text_; }

  /// Of an array, or the values of an object in the order of keys().
  [[nodiscard]] const std::vector<JsonValue>& items() const { return items_; }
  [[nodiscard]] const std::vector<std::string>& keys() const { return keys_; }

  /// An object's value; of a key that repeats the last one. nullptr where there is none.
  [[nodiscard]] const JsonValue* find(std::string_view key) const {
    for (std::size_t i = keys_.size(); i > 0; --i) {
      if (keys_[i - 1] == key) return &items_[i - 1];
    }
    return nullptr;
  }
  /// find() through objects in objects: "model.vq_model.token_size".
  [[nodiscard]] const JsonValue* find_path(std::string_view path) const {
    const std::size_t end = std::min(path.find('.'), path.size());
    const JsonValue* const child = find(path.substr(0, end));
    return child == nullptr || end == path.size() ? child : child->find_path(path.substr(end + 1));
  }

  /// As JSON, for error lines: what arrays and objects hold is left out.
  [[nodiscard]] std::string summary() const {
    JsonText text(JsonText::Invalid::replace);
    switch (kind_) {
      case Kind::null:
        return "null";
      case Kind::boolean:
        return number_ != 0 ? "true" : "false";
      case Kind::integer:
        return text.value(number_).text();
      case Kind::unsigned_integer:
        return text.value(static_cast<std::uint64_t>(number_)).text();
      case Kind::real:
        return text.value(real_).text();
      case Kind::string:
        return text.value(std::string_view(text_)).text();
      case Kind::array:
        return "[...]";
      case Kind::object:
        break;
    }
    return "{...}";
  }

 private:
  friend class JsonReader;

  Kind kind_ = Kind::null;
  std::int64_t number_ = 0;  // a boolean, or an integer: beyond int64, the bits of its unsigned value
  double real_ = 0;
  std::string text_;
  std::vector<std::string> keys_;
  std::vector<JsonValue> items_;
};

/// Builds a JsonValue from the events of nlohmann's parser.
class JsonReader {
 public:
  /// Arrays and objects in one another; whoever reads them may use the stack.
  static constexpr std::size_t most_depth = 64;

  [[nodiscard]] JsonValue& value() { return root_; }
  /// What is wrong with the text.
  [[nodiscard]] const std::string& error() const { return error_; }

  bool null() { return add(JsonValue::Kind::null) != nullptr; }
  bool boolean(bool truth) { return add_number(JsonValue::Kind::boolean, truth ? 1 : 0); }
  bool number_integer(std::int64_t number) { return add_number(JsonValue::Kind::integer, number); }
  bool number_unsigned(std::uint64_t number) {
    const bool fits = number >> 63 == 0;
    return add_number(fits ? JsonValue::Kind::integer : JsonValue::Kind::unsigned_integer,
                      static_cast<std::int64_t>(number));
  }
  bool number_float(double number, const std::string&) {
    add(JsonValue::Kind::real)->real_ = number;
    return true;
  }
  bool string(std::string& text) {
    add(JsonValue::Kind::string)->text_ = std::move(text);
    return true;
  }
  bool binary(std::vector<std::uint8_t>&) { return false; }
  bool start_object(std::size_t) { return open(JsonValue::Kind::object); }
  bool start_array(std::size_t) { return open(JsonValue::Kind::array); }
  bool key(std::string& key) {
    open_.back()->keys_.push_back(std::move(key));
    return true;
  }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
    error_ = "invalid JSON at byte " + std::to_string(position);
    return false;
  }

 private:
  JsonValue* add(JsonValue::Kind kind) {
    JsonValue* const added = open_.empty() ? &root_ : &open_.back()->items_.emplace_back();
    added->kind_ = kind;
    return added;
  }
  bool add_number(JsonValue::Kind kind, std::int64_t number) {
    add(kind)->number_ = number;
    return true;
  }
  bool open(JsonValue::Kind kind) {
    if (open_.size() == most_depth) {
      error_ = "JSON in more than " + std::to_string(most_depth) + " brackets";
      return false;
    }
    open_.push_back(add(kind));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  JsonValue root_;
  std::vector<JsonValue*> open_;  // containers, outermost first; none grows while one inside it is open
  std::string error_;
};

/// Reads a text; a UTF-8 byte order mark before it is skipped. `error` receives what is wrong where nothing is
/// returned.
inline std::optional<JsonValue> parse_json(std::string_view text, std::string* error = nullptr) {
  JsonReader reader;
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &reader)) return std::move(reader.value());
  if (error != nullptr) *error = reader.error();
  return std::nullopt;
}

/// As above. Throws Error(bad_file), which names `subject`, for a text that is no JSON.
inline JsonValue parse_json(std::string_view text, std::string_view subject, std::string_view expected) {
  std::string error;
  if (std::optional<JsonValue> value = parse_json(text, &error)) return std::move(*value);
  throw Error(ErrorCode::bad_file, subject, error, expected);
}

}  // namespace tessera
