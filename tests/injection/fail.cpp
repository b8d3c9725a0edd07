// A library for LD_PRELOAD that lets system calls and allocations fail: what the program does then is in inject.sh.
//
//   TESSERA_FAIL_CALL   write, fsync, malloc, ...: whose calls are counted (the table at the end)
//   TESSERA_FAIL_AT     the number of the call that fails, from 1 on
//   TESSERA_FAIL_MODE   once (default), on: that call and all behind it; for read and write also eintr and short: the
//                       call is interrupted once, or transfers one byte
//   TESSERA_FAIL_REPORT a file that has 7 bytes once a call has failed, 9 where std::terminate was called
//   TESSERA_NO_TMPFILE  where it is set, there are no files without names (O_TMPFILE), as on some file systems
//
// Calls are counted from main() on: what runs before it may be CUDA's runtime, which does not survive them. Only files
// that the user names count, not those of the system (/proc, /sys, /etc, shared libraries), nor the standard streams.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

enum class Mode { off, once, on, eintr, brief };

Mode mode = Mode::off;
char call[32] = "";
long fail_at = 0;
std::atomic<long> calls{0};
int report = -1;

/// Whether this call of `name` is to fail. Allocates nothing.
bool fails(const char* name) {
  if (mode == Mode::off || std::strcmp(name, call) != 0) return false;
  const long number = ++calls;
  const bool now = mode == Mode::on ? number >= fail_at : number == fail_at;
  if (now && report >= 0) {
    const int error = errno;
    static_cast<void>(::ftruncate(report, 7));
    errno = error;
  }
  return now;
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

bool is_system(const char* path) {
  for (const char* start : {"/proc/", "/sys/", "/etc/", "/usr/", "/lib", "/dev/"}) {
    if (std::strncmp(path, start, std::strlen(start)) == 0) return true;
  }
  return false;
}

bool is_stream(int descriptor) {
  return descriptor <= 2;
}

void start() {
  const char* const wanted = std::getenv("TESSERA_FAIL_CALL");
  const char* const at = std::getenv("TESSERA_FAIL_AT");
  if (wanted == nullptr || at == nullptr) return;
  if (const char* const file = std::getenv("TESSERA_FAIL_REPORT")) report = ::open(file, O_WRONLY | O_CREAT, 0600);
  // The files' numbers stay what they are without this library.
  if (report >= 0) report = ::fcntl(report, F_DUPFD_CLOEXEC, 500);
  std::strncpy(call, wanted, sizeof call - 1);
  fail_at = std::atol(at);
  const char* const how = std::getenv("TESSERA_FAIL_MODE");
  const auto is = [&](const char* name) { return how != nullptr && std::strcmp(how, name) == 0; };
  ::unsetenv("LD_PRELOAD");
  mode = is("on") ? Mode::on : is("eintr") ? Mode::eintr : is("short") ? Mode::brief : Mode::once;
}

using Main = int(int, char**, char**);
Main* real_main = nullptr;

int counted_main(int argc, char** argv, char** environment) {
  start();
  return real_main(argc, argv, environment);
}

int fail_with(int error) {
  errno = mode == Mode::eintr ? EINTR : error;
  return -1;
}

}  // namespace

extern "C" {

/// glibc's, which calls main.
int __libc_start_main(Main* main, int argc, char** argv, void (*init)(), void (*fini)(), void (*rtld_fini)(),
                      void* stack) {
  real_main = main;
  using Start = int(Main*, int, char**, void (*)(), void (*)(), void (*)(), void*);
  return next<Start>("__libc_start_main")(counted_main, argc, argv, init, fini, rtld_fini, stack);
}

int open(const char* path, int flags, ...) {
  std::va_list list;
  va_start(list, flags);
  const ::mode_t rights = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, ::mode_t) : 0;
  va_end(list);
  static auto* const real = next<int(const char*, int, ...)>("open");
  if (!is_system(path) && fails("open")) return fail_with(EIO);
  return real(path, flags, rights);
}
int open64(const char* path, int flags, ...) __attribute__((alias("open")));

int openat(int folder, const char* path, int flags, ...) {
  std::va_list list;
  va_start(list, flags);
  const ::mode_t rights = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, ::mode_t) : 0;
  va_end(list);
  static auto* const real = next<int(int, const char*, int, ...)>("openat");
  if ((flags & O_TMPFILE) == O_TMPFILE && std::getenv("TESSERA_NO_TMPFILE") != nullptr) return fail_with(EOPNOTSUPP);
  if (fails("openat")) return fail_with(EIO);
  return real(folder, path, flags, rights);
}
int openat64(int folder, const char* path, int flags, ...) __attribute__((alias("openat")));

::FILE* fopen(const char* path, const char* how) {
  static auto* const real = next<::FILE*(const char*, const char*)>("fopen");
  if (!is_system(path) && fails("fopen")) return fail_with(EIO), nullptr;
  return real(path, how);
}
::FILE* fopen64(const char* path, const char* how) __attribute__((alias("fopen")));

::ssize_t read(int descriptor, void* to, std::size_t size) {
  static auto* const real = next<::ssize_t(int, void*, std::size_t)>("read");
  if (!is_stream(descriptor) && fails("read")) {
    if (mode == Mode::brief && size > 0) return real(descriptor, to, 1);
    return fail_with(EIO);
  }
  return real(descriptor, to, size);
}

::ssize_t pread(int descriptor, void* to, std::size_t size, ::off_t offset) {
  static auto* const real = next<::ssize_t(int, void*, std::size_t, ::off_t)>("pread");
  if (fails("read")) {
    if (mode == Mode::brief && size > 0) return real(descriptor, to, 1, offset);
    return fail_with(EIO);
  }
  return real(descriptor, to, size, offset);
}
::ssize_t pread64(int descriptor, void* to, std::size_t size, ::off_t offset) __attribute__((alias("pread")));

::ssize_t write(int descriptor, const void* from, std::size_t size) {
  static auto* const real = next<::ssize_t(int, const void*, std::size_t)>("write");
  if (!is_stream(descriptor) && fails("write")) {
    if (mode == Mode::brief && size > 0) return real(descriptor, from, 1);
    return fail_with(ENOSPC);
  }
  return real(descriptor, from, size);
}

/// Called by the program's handler of std::terminate, which should have nothing to do.
void _exit(int status) {
  static auto* const real = next<void(int)>("_exit");
  if (report >= 0) static_cast<void>(::ftruncate(report, 9));
  real(status);
  __builtin_unreachable();
}

int fsync(int descriptor) {
  static auto* const real = next<int(int)>("fsync");
  return fails("fsync") ? fail_with(EIO) : real(descriptor);
}

int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) {
  static auto* const real = next<int(int, const char*, int, const char*, int)>("linkat");
  return fails("linkat") ? fail_with(ENOSPC) : real(from_folder, from, to_folder, to, flags);
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) {
  static auto* const real = next<int(int, const char*, int, const char*)>("renameat");
  return fails("rename") ? fail_with(EIO) : real(from_folder, from, to_folder, to);
}

int rename(const char* from, const char* to) {
  static auto* const real = next<int(const char*, const char*)>("rename");
  return fails("rename") ? fail_with(EIO) : real(from, to);
}

int mkdir(const char* path, ::mode_t rights) {
  static auto* const real = next<int(const char*, ::mode_t)>("mkdir");
  return fails("mkdir") ? fail_with(ENOSPC) : real(path, rights);
}

int fstat(int descriptor, struct stat* status) {
  static auto* const real = next<int(int, struct stat*)>("fstat");
  return !is_stream(descriptor) && fails("stat") ? fail_with(EIO) : real(descriptor, status);
}
int fstat64(int descriptor, struct stat64* status) {
  return fstat(descriptor, reinterpret_cast<struct stat*>(status));
}

void* mmap(void* address, std::size_t size, int protection, int flags, int descriptor, ::off_t offset) {
  static auto* const real = next<void*(void*, std::size_t, int, int, int, ::off_t)>("mmap");
  if (fails("mmap")) return fail_with(ENOMEM), MAP_FAILED;
  return real(address, size, protection, flags, descriptor, offset);
}
void* mmap64(void* address, std::size_t size, int protection, int flags, int descriptor, ::off_t offset)
    __attribute__((alias("mmap")));

// Allocations: glibc's own under their second names, so that dlsym, which allocates, is not needed.
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t size) {
  return fails("malloc") ? fail_with(ENOMEM), nullptr : __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  return fails("malloc") ? fail_with(ENOMEM), nullptr : __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
  return fails("malloc") ? fail_with(ENOMEM), nullptr : __libc_realloc(old, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return fails("malloc") ? fail_with(ENOMEM), nullptr : __libc_memalign(alignment, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  return aligned_alloc(alignment, size);
}
int posix_memalign(void** result, std::size_t alignment, std::size_t size) {
  if (fails("malloc")) return ENOMEM;
  *result = __libc_memalign(alignment, size);
  return *result == nullptr ? ENOMEM : 0;
}

}  // extern "C"
