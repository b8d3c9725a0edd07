// The program `tessera`. Exit code 0; 2 for wrong usage; 3 where a signal stopped it (signals.hpp); 1 for anything
// else; with one line on stderr.
#include <fcntl.h>

#include <cstdio>
#include <iostream>

#include <tessera/core/parallel.hpp>

#include "program.hpp"
#include "signals.hpp"

namespace program {
namespace {

/// CLI11's messages may have several lines.
int fail(std::string message, int code) {
  std::fprintf(stderr, "tessera: %s\n", tessera::one_line(message).c_str());
  return code;
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
  int threads = 0;
  app.add_option("--threads", threads, "threads to use (default: all)")->check(CLI::Range(1, 4096));
  std::function<void()> command;
  add_info(app, command);
  add_encode(app, command);
  add_decode(app, command);
  add_reconstruct(app, command);
  add_train(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {  // --help, --version
      app.exit(error);
      std::cout.flush();
      return std::cout ? 0 : fail("standard output: found an error in writing, expected a place to write", 1);
    }
    return fail(std::string(error.what()) + " (tessera --help lists commands and options)", 2);
  }
  tessera::set_thread_count(threads);
  command();
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
  try {
    return program::run(argc, argv);
  } catch (const program::UsageError& error) {
    return program::fail(error.what(), 2);
  } catch (const program::Stopped& stopped) {
    return program::fail(stopped.what(), program::stopped_exit_code);
  } catch (const std::bad_alloc&) {
    return program::fail("memory: found too little, expected enough for this model and batch size", 1);
  } catch (const std::exception& error) {
    return program::fail(error.what(), 1);
  }
}
