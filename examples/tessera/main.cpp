// The program `tessera`. Exit code 0; 2 for wrong usage; 3 where a signal stopped it (signals.hpp); 1 for anything
// else; with one line on stderr.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <optional>
#include <string_view>

#include <tessera/core/error.hpp>
#include <tessera/core/parallel.hpp>

#include "command_line.hpp"
#include "mapped_files.hpp"
#include "numbers.hpp"
#include "program.hpp"
#include "signals.hpp"

namespace program {
namespace {

constexpr std::string_view out_of_memory = "memory: found too little, expected enough for this model and batch size";

/// Writes the one line of an error, without allocating: memory may have run out. (CLI11's messages have several lines.)
int fail(std::string_view message, int code) noexcept {
  constexpr std::string_view start = "tessera: ";
  char line[2048];
  start.copy(line, start.size());
  std::size_t size = start.size() + tessera::one_line(message, View<char>(line).subspan(start.size(), 2000));
  line[size++] = '\n';
  for (std::size_t done = 0; done < size;) {
    const ::ssize_t written = ::write(2, line + done, size - done);
    if (written < 0 && errno != EINTR) break;
    if (written > 0) done += static_cast<std::size_t>(written);
  }
  return code;
}

/// Of exceptions that no handler may see: what frees memory must not throw, but some libraries' destructors allocate.
[[noreturn]] void terminate() noexcept {
  const char* message = "program: found an error where none can be handled, expected none";
  if (const std::exception_ptr current = std::current_exception()) {
    try {
      std::rethrow_exception(current);
    } catch (const std::bad_alloc&) {
      message = out_of_memory.data();
    } catch (...) {
    }
  }
  ::_exit(fail(message, 1));
}

/// Before the constructors of other files' variables, which allocate.
[[gnu::constructor(101)]] void set_terminate_handler() {
  std::set_terminate(terminate);
}

/// Where a standard stream is closed, a file that is opened later must not take its number, and its text. Opened the
/// other way round, so that its use still fails.
void open_standard_streams() {
  for (const int stream : {0, 1, 2}) {
    if (::fcntl(stream, F_GETFD) < 0) (void)::open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY);
  }
}

int run(int argc, char** argv) {
  CLI::App app("Images to discrete tokens and back.");
  app.set_version_flag("--version", "tessera " TESSERA_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  std::optional<int> threads;
  add_number(app, "--threads", threads, "threads to use (default: all)", 1, 4096);
  app.footer(exit_codes_text);
  std::function<void()> command;
  add_info(app, command);
  add_encode(app, command);
  add_decode(app, command);
  add_reconstruct(app, command);
  add_train(app, command);
  try {
    parse_command_line(app, argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      app.exit(error);
      std::cout.flush();
      return std::cout ? 0 : fail("standard output: found an error in writing, expected a place to write", 1);
    }
    return fail(std::string(error.what()) + " (tessera --help lists commands and options)", 2);
  }
  tessera::set_thread_count(threads.value_or(0));
  command();
  check_mapped_files();
  // What a pipe no longer takes must not look like success.
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) {
    throw tessera::Error(tessera::ErrorCode::file_access, "standard output", "an error in writing", "a place to write");
  }
  return 0;
}

}  // namespace
}  // namespace program

int main(int argc, char** argv) {
  program::open_standard_streams();
  program::ignore_write_signals();
  program::guard_mapped_files();
  try {
    return program::run(argc, argv);
  } catch (const program::UsageError& error) {
    return program::fail(error.what(), 2);
  } catch (const program::Stopped& stopped) {
    return program::fail(stopped.what(), program::stopped_exit_code);
  } catch (const std::bad_alloc&) {
    return program::fail(program::out_of_memory, 1);
  } catch (const std::exception& error) {
    return program::fail(error.what(), 1);
  }
}
