#include "journal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <tessera/core/error.hpp>
#include <tessera/io/system_call.hpp>

#include "hash.hpp"

namespace program {

using namespace tessera;

namespace {

constexpr std::string_view magic = "tessera part 1\n";

struct RecordHead {
  std::uint64_t key;
  std::uint32_t length, checksum;
};
static_assert(sizeof(RecordHead) == 16);

std::uint32_t checksum(std::uint64_t key, View<const std::byte> payload) {
  return static_cast<std::uint32_t>(Hash().add(key).add(payload).value());
}

View<const std::byte> bytes_of(const RecordHead& head) {
  return std::as_bytes(View<const RecordHead>(&head, 1));
}

}  // namespace

std::filesystem::path journal_file(const std::filesystem::path& output) {
  std::error_code error;
  std::filesystem::path target = std::filesystem::weakly_canonical(output, error);  // links lead to one journal
  if (error) target = output;
  char name[40];
  std::snprintf(name, sizeof name, ".%016llx.tessera-part",
                static_cast<unsigned long long>(Hash().add(target.filename().string()).value()));
  return target.parent_path() / name;
}

Journal::Journal(std::filesystem::path file, std::string job)
    : file_(std::move(file)), header_(std::string(magic) + one_line(job) + "\n") {
  try {
    open_existing();
  } catch (...) {
    if (descriptor_ >= 0) ::close(descriptor_);
    throw;
  }
}

Journal::~Journal() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void Journal::fail(const std::string& found) const {
  throw Error(ErrorCode::file_access, file_.string(), found, "a file for the finished parts of long work");
}

void Journal::open_existing() {
  struct stat status {};
  do {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
    descriptor_ =
        detail::retry_interrupted([&] { return ::open(file_.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK); });
    if (descriptor_ < 0 && errno == ENOENT) return;
    if (descriptor_ < 0) fail(std::strerror(errno));
    lock();
    if (::fstat(descriptor_, &status) != 0) fail(std::strerror(errno));
  } while (status.st_nlink == 0);  // its program has ended in the meantime and removed it
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1 || status.st_uid != ::geteuid()) {
    fail("something that tessera did not make");
  }
  load();
}

void Journal::lock() {
  // Some file systems have no locks.
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) fail("another program that is using it");
}

void Journal::load() {
  std::vector<std::byte> start(header_.size());
  start.resize(read_at(0, start));
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  if (!magic.starts_with(text.substr(0, magic.size()))) fail("something that tessera did not make");
  if (text != header_) return;  // another job, or killed before anything was kept
  std::uint64_t end = header_.size();
  std::vector<std::byte> payload;
  for (RecordHead head{};; end += sizeof head + head.length) {
    if (read_at(end, std::as_writable_bytes(View<RecordHead>(&head, 1))) != sizeof head) break;
    // A length that a torn write made up is not allocated.
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) fail(std::strerror(errno));
    if (head.length > static_cast<std::uint64_t>(status.st_size) - end) break;
    payload.resize(head.length);
    if (read_at(end + sizeof head, payload) != payload.size() || checksum(head.key, payload) != head.checksum) break;
    places_[head.key] = {end + sizeof head, head.length};
  }
  size_ = end;
}

std::size_t Journal::read_at(std::uint64_t offset, View<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ::ssize_t got =
        ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<::off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(std::strerror(errno));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

std::vector<std::byte> Journal::read(std::uint64_t key) const {
  const Place place = places_.at(key);
  std::vector<std::byte> payload(place.length);
  if (place.offset >= size_)
    std::copy_n(pending_.begin() + static_cast<std::ptrdiff_t>(place.offset - size_), place.length, payload.begin());
  else if (read_at(place.offset, payload) != payload.size())
    fail("a file that was made shorter");
  return payload;
}

void Journal::for_each(const std::function<void(std::uint64_t, View<const std::byte>)>& visit) const {
  if (size_ == 0) return;
  std::vector<std::byte> payload;
  RecordHead head{};
  for (std::uint64_t at = header_.size(); at < size_; at += sizeof head + head.length) {
    if (read_at(at, std::as_writable_bytes(View<RecordHead>(&head, 1))) != sizeof head) fail("a shorter file");
    payload.resize(head.length);
    if (read_at(at + sizeof head, payload) != payload.size()) fail("a shorter file");
    visit(head.key, payload);
  }
}

void Journal::append(std::uint64_t key, View<const std::byte> payload) {
  const RecordHead head{key, static_cast<std::uint32_t>(payload.size()), checksum(key, payload)};
  if (pending_.empty() && size_ == 0) {
    const auto start = std::as_bytes(View<const char>(header_.data(), header_.size()));
    pending_.assign(start.begin(), start.end());
  }
  const View<const std::byte> front = bytes_of(head);
  pending_.insert(pending_.end(), front.begin(), front.end());
  places_[key] = {size_ + pending_.size(), head.length};
  pending_.insert(pending_.end(), payload.begin(), payload.end());
}

void Journal::create() {
  descriptor_ = detail::retry_interrupted(
      [&] { return ::open(file_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666); });
  if (descriptor_ < 0) fail(errno == EEXIST ? "another program that does the same work" : std::strerror(errno));
  lock();
}

void Journal::flush() {
  if (pending_.empty()) return;
  if (descriptor_ < 0) create();
  // Behind the last whole record: what was torn, or another job's.
  if (::ftruncate(descriptor_, static_cast<::off_t>(size_)) != 0) fail(std::strerror(errno));
  write(pending_);
  size_ += pending_.size();
  pending_.clear();
}

void Journal::write(View<const std::byte> bytes) {
  std::uint64_t at = size_;
  while (!bytes.empty()) {
    const ::ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<::off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const std::string found = std::strerror(errno);
      if (size_ == 0) ::unlink(file_.c_str());
      fail(found);
    }
    at += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void Journal::remove() {
  if (descriptor_ < 0) return;
  ::unlink(file_.c_str());
  ::close(std::exchange(descriptor_, -1));
  places_.clear();
  pending_.clear();
  size_ = 0;
}

}  // namespace program
