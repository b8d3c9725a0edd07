#include "signals.hpp"

#include <signal.h>  // sigaction

#include <atomic>
#include <csignal>

namespace program {

namespace {

std::atomic<bool> requested = false;  // the handler may run on any thread
static_assert(std::atomic<bool>::is_always_lock_free);

void listen_to(int signal, int flags) {
  struct sigaction before {};
  if (::sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = [](int) { requested = true; };
  action.sa_flags = flags | SA_RESTART;  // what is being written is written
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

void ignore_write_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_IGN;
  for (const int signal : {SIGPIPE, SIGXFSZ}) ::sigaction(signal, &action, nullptr);
}

void listen_to_signals() {
  // SA_RESETHAND: the second one has its usual effect. Schedulers may repeat the others.
  for (const int signal : {SIGINT, SIGTERM}) listen_to(signal, static_cast<int>(SA_RESETHAND));
  for (const int signal : {SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU}) listen_to(signal, 0);
}

bool stop_requested() {
  return requested;
}

}  // namespace program
