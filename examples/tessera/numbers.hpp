// Options that are numbers: decimal digits, finite and in range, or a line that says so (exit code 2). CLI11 itself
// takes nan and inf, reads 010 as 8, and cuts what is beyond 64 bits.
#pragma once

#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>

#include <CLI/CLI.hpp>

#include "program.hpp"

namespace program {

/// `text` as a number from `least` to `most`, which are finite. Throws UsageError that names the option.
template <class T>
T parse_number(const std::string& option, const std::string& text, T least, T most) {
  T value{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, value);
  if (error == std::errc{} && end == last && value >= least && value <= most) return value;  // NaN is in no range
  std::ostringstream expected;
  expected << (std::is_integral_v<T> ? "an integer" : "a number") << " from " << least << " to " << most;
  throw UsageError(option + ": found '" + text + "', expected " + expected.str());
}

namespace detail {

template <class T>
struct NumberIn {
  using Type = T;
};
template <class T>
struct NumberIn<std::optional<T>> {
  using Type = T;
};

}  // namespace detail

/// An option for `value`, a number or an optional one; the help shows a number's default.
template <class Value, class T = typename detail::NumberIn<Value>::Type>
void add_number(CLI::App& command, const std::string& option, Value& value, const std::string& help,
                std::type_identity_t<T> least = std::numeric_limits<T>::lowest(),
                std::type_identity_t<T> most = std::numeric_limits<T>::max()) {
  CLI::Option& added = *command.add_option_function<std::string>(
      option,
      [option, &value, least, most](const std::string& text) { value = parse_number<T>(option, text, least, most); },
      help);
  added.type_name(std::is_integral_v<T> ? "INT" : "FLOAT");
  if constexpr (std::is_same_v<T, Value>) {
    std::ostringstream now;
    now << value;
    added.default_str(now.str());
  }
}

}  // namespace program
