// What commands that go through many images share: parts, progress, pictures that cannot be read, and signals.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tessera/core/error.hpp>

#include "program.hpp"
#include "progress.hpp"

namespace program {

/// One command's way through its images.
class LongWork {
 public:
  /// From here on a signal stops the work after a part (signals.hpp). subject: what error lines name first.
  /// skip_broken: images that cannot be read are left out instead of being an error at the end.
  LongWork(std::string subject, Index count, bool skip_broken);

  /// Calls part(items, last) for `todo`, as many at a time as all threads use and little memory holds. Throws Stopped
  /// where a signal arrived and some are left; kept: what has become of the finished ones, for the line.
  void run(const std::vector<Index>& todo, const tessera::Config& config, const std::string& kept,
           const std::function<void(tessera::View<const Index> items, bool last)>& part);

  /// Calls make(item, its part of values) for `items` on all threads. Where it throws Error because the image or its
  /// file is broken, the item is counted and named; other errors pass through. Returns the good ones; their parts are
  /// moved together, and `values` ends with them.
  std::vector<Index> good_ones(tessera::View<const Index> items, std::vector<float>& values,
                               const std::function<void(Index item, tessera::View<float> values)>& make);

  [[nodiscard]] bool is_broken(Index item) const { return broken_[static_cast<std::size_t>(item)]; }
  [[nodiscard]] Index good() const { return count_ - broken_count_; }
  /// Whether finish() throws.
  [[nodiscard]] bool failed() const { return broken_count_ > 0 && (!skip_broken_ || good() == 0); }
  /// At the end: says how many were left out. Throws Error(bad_file) where images are broken and not to be skipped, or
  /// none is left. expected: what there is for the rest, and what to do.
  void finish(const std::string& expected);

 private:
  void count_broken(Index item, const std::string& error);
  void name_broken(const std::string& error);
  void end_line();

  std::string subject_;
  Index count_;
  bool skip_broken_;
  std::optional<Progress> progress_{};  // from run() on
  std::vector<bool> broken_;            // by item
  Index broken_count_ = 0, named_ = 0;
  std::string first_error_;
};

/// --skip-broken.
void add_skip_broken(CLI::App& command, bool& skip_broken);

/// Tells results of one command, model and options from others: one line of JSON. options: further members of it.
std::string job_text(const std::string& command, const ModelArguments& model, const tessera::Preset& preset,
                     const std::string& options);

}  // namespace program
