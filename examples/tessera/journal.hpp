// The finished parts of long work, on disk while the rest is made. A killed program leaves them; the same command goes
// on from there.
//
//     "tessera part 1\n" | the job, one line | records: key u64, length u32, checksum u32, payload
//
// Only appended to. What a kill left of a last record is cut off when the file is opened again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include <tessera/core/types.hpp>

namespace program {

/// Where the parts of `output` are kept: beside it, under a hidden name of 30 letters that follows from its own.
std::filesystem::path journal_file(const std::filesystem::path& output);

class Journal {
 public:
  /// Reads what an earlier call of the same job left in `file`; nothing is created or changed before flush(). job: one
  /// line that says whose records these are; those of another job are not used, and dropped by flush().
  /// Throws Error(file_access) where the file is not a journal of this user, or another program is using it.
  Journal(std::filesystem::path file, std::string job);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  /// Records that were not flushed are lost.
  ~Journal();

  [[nodiscard]] bool contains(std::uint64_t key) const { return places_.contains(key); }
  /// The payload of a key that it contains, the last one where there are several. Throws Error(file_access).
  [[nodiscard]] std::vector<std::byte> read(std::uint64_t key) const;
  /// Every record that was flushed, in the order in which they were appended. Throws Error(file_access).
  void for_each(const std::function<void(std::uint64_t key, tessera::View<const std::byte> payload)>& visit) const;

  /// In memory until flush().
  void append(std::uint64_t key, tessera::View<const std::byte> payload);
  /// Writes what was appended. Throws Error(file_access), for example when the disk is full or another program has
  /// begun the same work.
  void flush();
  /// The work is complete: removes the file.
  void remove();

 private:
  struct Place {
    std::uint64_t offset;  // of the payload, in the file followed by pending_
    std::uint32_t length;
  };

  [[noreturn]] void fail(const std::string& found) const;
  void open_existing();
  void lock();
  void load();
  void create();
  void write(tessera::View<const std::byte> bytes);
  /// Bytes at `offset` -> out, as many as there are; returns how many.
  std::size_t read_at(std::uint64_t offset, tessera::View<std::byte> out) const;

  std::filesystem::path file_;
  std::string header_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;  // of the file's whole records and its header; 0: there is no file of this job
  std::vector<std::byte> pending_;
  std::unordered_map<std::uint64_t, Place> places_;
};

}  // namespace program
