// Being told to stop: signals that ask the program to keep what it has done and end.
#pragma once

#include <stdexcept>

namespace program {

/// Exit code of a command that a signal stopped: what was done is kept, and the same command goes on from there.
inline constexpr int stopped_exit_code = 3;

/// For --help.
inline constexpr const char* exit_codes_text =
    "Exit code: 0 complete, 1 error, 2 wrong usage, 3 stopped by a signal and saved (train --resume goes on).";

/// Ends a command with stopped_exit_code and what() as its line on stderr.
struct Stopped : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Call once, at the start. Writing to a closed pipe or past the file size limit becomes an ordinary error of that
/// write instead of the end of the program.
void ignore_write_signals();

/// From here on SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU ask the program to stop; those that were ignored
/// when it started (nohup, background jobs) stay ignored. A second SIGINT or SIGTERM ends the program at once.
void listen_to_signals();

/// Whether one of them has arrived.
bool stop_requested();

}  // namespace program
