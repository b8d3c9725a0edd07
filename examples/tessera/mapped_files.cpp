#include "mapped_files.hpp"

#include <fcntl.h>
#include <signal.h>  // sigaction
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <string_view>

#include <tessera/core/error.hpp>

namespace program {

namespace {

constexpr std::size_t longest_name = 4096;

std::atomic<bool> claimed = false, shortened = false;
char name[longest_name];  // of the first file; written once, before shortened
std::size_t name_length = 0;

/// A file's part of the memory, as /proc/self/maps tells it.
struct Mapping {
  std::uintptr_t begin = 0, end = 0;
  bool of_file = false;
  char name[longest_name] = {};
  std::size_t name_length = 0;
};

/// Reads lines such as "7f00-7f10 r--p 00000000 08:01 1234   /folder/file" one byte at a time. It runs in a signal
/// handler: no allocation, no lock.
class MapsReader {
 public:
  explicit MapsReader(int file) : file_(file) {}

  /// The mapping that holds `address`; false where there is none.
  bool find(std::uintptr_t address, Mapping& mapping) {
    while (line(mapping)) {
      if (address >= mapping.begin && address < mapping.end) return true;
    }
    return false;
  }

 private:
  bool line(Mapping& mapping) {
    mapping = Mapping();
    char c = hexadecimal(mapping.begin);
    if (c != '-') return false;
    c = hexadecimal(mapping.end);
    for (int field = 0; field < 4; ++field) {  // access, offset, device, inode
      while ((c = next()) != ' ' && c != '\n' && c != '\0') {
      }
      if (c != ' ') return c == '\n';
    }
    while ((c = next()) == ' ') {
    }
    mapping.of_file = c == '/';
    for (; c != '\n' && c != '\0'; c = next()) {
      if (mapping.name_length < longest_name) mapping.name[mapping.name_length++] = c;
    }
    return true;
  }

  /// Returns the character behind the digits.
  char hexadecimal(std::uintptr_t& value) {
    for (;;) {
      const char c = next();
      if (c >= '0' && c <= '9')
        value = value * 16 + static_cast<std::uintptr_t>(c - '0');
      else if (c >= 'a' && c <= 'f')
        value = value * 16 + static_cast<std::uintptr_t>(c - 'a' + 10);
      else
        return c;
    }
  }

  char next() {
    if (at_ == size_) {
      ::ssize_t read;
      do {
        read = ::read(file_, buffer_, sizeof buffer_);
      } while (read < 0 && errno == EINTR);
      if (read <= 0) return '\0';
      at_ = 0;
      size_ = static_cast<std::size_t>(read);
    }
    return buffer_[at_++];
  }

  int file_;
  char buffer_[1024];
  std::size_t at_ = 0, size_ = 0;
};

/// Puts zeros in the place of the file from the page of `address` to the end of its mapping: what lies behind a page
/// that is gone is gone as well. False where the address never was a file's.
bool replace_by_zeros(std::uintptr_t address) {
  const int maps = ::open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return false;
  Mapping mapping;
  const bool found = MapsReader(maps).find(address, mapping);
  ::close(maps);
  if (!found) return false;
  if (!mapping.of_file) return claimed;  // another thread has replaced it: the access is repeated
  if (!claimed.exchange(true)) {         // before anybody can read zeros
    for (std::size_t i = 0; i < mapping.name_length; ++i) name[i] = mapping.name[i];
    name_length = mapping.name_length;
    shortened = true;
  }
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t begin = address / page * page;
  return ::mmap(reinterpret_cast<void*>(begin), mapping.end - begin, PROT_READ, MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE,
                -1, 0) != MAP_FAILED;
}

void on_bus_error(int signal, siginfo_t* info, void*) {
  const int error = errno;
  if (info->si_code != BUS_ADRERR || !replace_by_zeros(reinterpret_cast<std::uintptr_t>(info->si_addr))) {
    std::signal(signal, SIG_DFL);  // the access happens again, and ends the program
  }
  errno = error;
}

}  // namespace

void guard_mapped_files() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

void check_mapped_files() {
  if (!claimed) return;
  while (!shortened) ::usleep(100);  // until the name is whole
  throw tessera::Error(tessera::ErrorCode::file_access, std::string_view(name, name_length),
                       "a file that another program shortened meanwhile", "one that stays as it is while it is read");
}

}  // namespace program
