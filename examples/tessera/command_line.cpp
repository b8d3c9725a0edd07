#include "command_line.hpp"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "program.hpp"

namespace program {

namespace {

/// Stands before what CLI11 would take for a list while it parses, and is removed before an option gets its value.
constexpr char guard = '\x01';

/// A value behind which CLI11 sees a list: [a,b]. ({} alone, an empty one, is another path to the same file.)
std::string guarded(const std::string& value) {
  if (value == "{}") return "./{}";
  const bool list = value.size() > 1 && value.front() == '[' && value.back() == ']';
  return list || value.starts_with(guard) ? guard + value : value;
}

std::string guarded_argument(const std::string& argument) {
  const std::size_t equals = argument.starts_with("--") ? argument.find('=') : std::string::npos;
  if (equals == std::string::npos) return guarded(argument);
  return argument.substr(0, equals + 1) + guarded(argument.substr(equals + 1));
}

void remove_guards(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    option->transform([](const std::string& value) { return value.starts_with(guard) ? value.substr(1) : value; });
  }
  for (CLI::App* command : app.get_subcommands({})) remove_guards(*command);
}

/// The first argument that looks like an option and is a file.
std::string dashed_file(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    std::error_code error;
    if (argument == "--") break;
    if (argument.size() > 1 && argument.front() == '-' && std::filesystem::exists(argument, error)) return argument;
  }
  return {};
}

}  // namespace

void parse_command_line(CLI::App& app, int argc, char** argv) {
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  remove_guards(app);
  std::vector<std::string> reversed;  // as App::parse wants them
  for (auto argument = arguments.rbegin(); argument != arguments.rend(); ++argument) {
    reversed.push_back(guarded_argument(*argument));
  }
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    const std::string file = dashed_file(arguments);
    if (error.get_exit_code() == 0 || file.empty()) throw;
    throw UsageError(file + ": found an unknown option, expected ./" + file +
                     " for the file of that name, or -- before it");
  }
}

}  // namespace program
