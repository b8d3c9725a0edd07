// Arguments as they are: CLI11 gives some of them a meaning of its own.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace program {

/// Parses argv[1] and on: a file called [a,b] is one file, no list. Throws what App::parse throws. A file whose name
/// begins with a dash and that was taken for an option is the line of UsageError instead.
void parse_command_line(CLI::App& app, int argc, char** argv);

}  // namespace program
