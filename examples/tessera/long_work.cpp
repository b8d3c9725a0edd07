#include "long_work.hpp"

#include <sys/stat.h>

#include <cstdio>
#include <exception>
#include <set>

#include <tessera/core/layout.hpp>

#include "hash.hpp"
#include "mapped_files.hpp"
#include "signals.hpp"

namespace program {

using namespace tessera;

LongWork::LongWork(std::string subject, Index count, bool skip_broken)
    : subject_(std::move(subject)), count_(count), skip_broken_(skip_broken), broken_(static_cast<std::size_t>(count)) {
  listen_to_signals();
}

void LongWork::run(const std::vector<Index>& todo, const Config& config, const std::string& kept,
                   const std::function<void(View<const Index>, bool)>& part) {
  const auto all = static_cast<Index>(todo.size());
  const auto seconds_of_work = std::max(Progress::pause(), std::chrono::milliseconds(2000));
  progress_.emplace(Progress::Work{.unit = "image", .done = 0, .all = all, .first_line = seconds_of_work});
  for_each_part(all, config, [&](Index first, Index count) {
    const bool last = first + count == all;
    part(slice(View<const Index>(todo), first, count), last);
    progress_->show(first + count);
    if (last || !stop_requested()) return;
    end_line();
    throw Stopped(subject_ + ": stopped by a signal after " + std::to_string(count_ - all + first + count) + " of " +
                  std::to_string(count_) + " images" + kept);
  });
  end_line();
}

std::vector<Index> LongWork::good_ones(View<const Index> items, std::vector<float>& values,
                                       const std::function<void(Index, View<float>)>& make) {
  const auto count = static_cast<Index>(items.size());
  const Index each = static_cast<Index>(values.size()) / std::max<Index>(count, 1);
  std::vector<std::exception_ptr> failures(items.size());
  parallel_for(count, [&](Index i) {
    try {
      make(items[static_cast<std::size_t>(i)], slice(View<float>(values), i * each, each));
    } catch (...) {
      failures[static_cast<std::size_t>(i)] = std::current_exception();
    }
  });
  check_mapped_files();  // a file that is shortened is no broken image
  std::vector<Index> good;
  for (Index i = 0; i < count; ++i) {
    const Index item = items[static_cast<std::size_t>(i)];
    if (!failures[static_cast<std::size_t>(i)]) {
      const auto at = static_cast<Index>(good.size());
      if (at != i) std::copy_n(values.begin() + i * each, each, values.begin() + at * each);
      good.push_back(item);
      continue;
    }
    try {
      std::rethrow_exception(failures[static_cast<std::size_t>(i)]);
    } catch (const Error& error) {
      const bool broken = error.code() == ErrorCode::bad_file || error.code() == ErrorCode::file_access;
      if (!broken || (count_ == 1 && !skip_broken_)) throw;
      count_broken(item, error.what());
    }
  }
  values.resize(good.size() * static_cast<std::size_t>(each));
  return good;
}

void LongWork::end_line() {
  if (progress_) progress_->end_line();
}

/// In short work the first one is named with the second or at the end, so that one broken image is one line.
void LongWork::count_broken(Index item, const std::string& error) {
  broken_[static_cast<std::size_t>(item)] = true;
  if (++broken_count_ == 1) first_error_ = error;
  if (broken_count_ == 1 && !(progress_ && progress_->shown())) return;
  if (broken_count_ == 2 && named_ == 0) name_broken(first_error_);
  name_broken(error);
}

void LongWork::name_broken(const std::string& error) {
  constexpr Index most = 20;
  if (named_ > most) return;
  end_line();
  if (named_++ < most)
    std::fprintf(stderr, "cannot be read: %s\n", error.c_str());
  else
    std::fprintf(stderr, "more that cannot be read are counted, not named\n");
}

void LongWork::finish(const std::string& expected) {
  end_line();
  if (broken_count_ == 0) return;
  const std::string found = std::to_string(broken_count_) + " of " + std::to_string(count_) +
                            " images that cannot be read (" + first_error_ + ")";
  if (good() == 0) throw Error(ErrorCode::bad_file, subject_, found, "at least one that can");
  if (!skip_broken_) throw Error(ErrorCode::bad_file, subject_, found, expected);
  std::fprintf(stderr, "%s: left out %s\n", one_line(subject_).c_str(), found.c_str());
}

void add_skip_broken(CLI::App& command, bool& skip_broken) {
  command.add_flag("--skip-broken", skip_broken,
                   "leave out images that cannot be read, name them and say how many (otherwise exit code 1 at the "
                   "end, after all others are done)");
}

namespace {

/// Changes with the model's files: names, sizes and times of change.
std::uint64_t model_identity(const std::filesystem::path& model) {
  std::set<std::filesystem::path> files{model};
  std::error_code error;
  if (std::filesystem::is_directory(model, error)) {
    std::filesystem::directory_iterator entry, end;
    do entry = std::filesystem::directory_iterator(model, error);
    while (error == std::errc::interrupted);
    for (; !error && entry != end; entry.increment(error)) {
      const auto ending = entry->path().extension();
      if (ending == ".safetensors" || ending == ".json" || ending == ".bin") files.insert(entry->path());
    }
    if (error) throw Error(ErrorCode::file_access, model.string(), error.message(), "a readable folder");
    files.erase(model);
  }
  Hash hash;
  for (const auto& file : files) {
    struct stat status {};
    (void)::stat(file.c_str(), &status);
    hash.add(file.filename().string()).add(static_cast<std::uint64_t>(status.st_size));
    hash.add(static_cast<std::uint64_t>(status.st_mtim.tv_sec)).add(static_cast<std::uint64_t>(status.st_mtim.tv_nsec));
  }
  return hash.value();
}

}  // namespace

std::string job_text(const std::string& command, const ModelArguments& model, const Preset& preset,
                     const std::string& options) {
  return "{\"tessera\": \"" TESSERA_VERSION "\", \"command\": \"" + command +
         "\", \"model\": " + std::to_string(model_identity(model.path)) + ", \"preset\": \"" +
         std::string(preset.name) + "\", \"device\": \"" + name_of(model.on.device) + "\", \"precision\": \"" +
         name_of(model.on.precision) + "\"" + (options.empty() ? "" : ", " + options) + "}";
}

}  // namespace program
