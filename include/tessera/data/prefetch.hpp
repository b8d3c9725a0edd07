// Reading the samples of the next step while this one computes.
#pragma once

#include <unistd.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <tessera/core/layout.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/data/dataset.hpp>

namespace tessera {

/// The samples of a run, some at a time and in their order. While the caller works with one batch, the next one is read
/// on threads of this object's own. What a batch holds depends on neither their number nor their timing.
class Prefetch {
 public:
  struct Batch {
    std::vector<Index> items;   ///< which images they are: ImageSource::used
    std::vector<float> images;  ///< [count, C, H, W]
  };

  /// Samples [first, end) of `dataset`, `count` at a time, of `values` numbers each. Nobody else calls the dataset's
  /// items() and read() meanwhile; its source() may be used. threads: where the system gives fewer, or none, the caller
  /// of next() reads what they would have read.
  Prefetch(Dataset& dataset, Index first, Index end, Index count, Index values, int threads)
      : dataset_(dataset),
        end_(end),
        count_(count),
        values_(values),
        first_(first - count),
        taken_(count),
        read_(count) {
    for (Batch* batch : {&current_, &next_}) batch->images.resize(static_cast<std::size_t>(count * values));
    start_next();
    try {
      for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { read_until_stopped(); });
    } catch (const std::system_error&) {  // no more threads
    } catch (...) {
      stop();
      throw;
    }
  }
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;
  /// Waits until the images that are being read are whole.
  ~Prefetch() { stop(); }

  /// The next batch, valid until the following call; not beyond `end`. Throws what reading it threw, of the lowest
  /// sample; then there is no further one.
  const Batch& next() {
    std::unique_lock lock(mutex_);
    while (taken_ < count_) read_one(lock);
    all_read_.wait(lock, [this] { return read_ == count_; });
    if (failure_) std::rethrow_exception(failure_);
    std::swap(current_, next_);
    start_next();
    return current_;
  }

 private:
  void start_next() {
    first_ += count_;
    if (first_ >= end_) return;
    next_.items = dataset_.items(first_, count_);
    taken_ = read_ = 0;
    wake_.notify_all();
  }

  void read_until_stopped() {
#ifdef __linux__  // elsewhere it would concern the whole process
    // Threads that compute wait for one another by spinning: one that is held up by reading holds up all. Below their
    // priority, reading takes what they leave.
    (void)!::nice(10);
#endif
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stopped_ || taken_ < count_; });
      if (stopped_) return;
      read_one(lock);
    }
  }

  /// Reads one sample of next_, with the lock released.
  void read_one(std::unique_lock<std::mutex>& lock) {
    const Index i = taken_++;
    Index& item = next_.items[static_cast<std::size_t>(i)];
    const View<float> out = slice(View<float>(next_.images), i * values_, values_);
    lock.unlock();
    std::exception_ptr failure;
    // One thread an image: these are not the caller's threads.
    const bool outer = std::exchange(detail::in_user_task, true);
    try {
      item = dataset_.read_sample(first_ + i, item, out);
    } catch (...) {
      failure = std::current_exception();
    }
    detail::in_user_task = outer;
    lock.lock();
    if (failure && (!failure_ || i < failed_)) failure_ = failure, failed_ = i;
    if (++read_ == count_) all_read_.notify_one();
  }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  Dataset& dataset_;
  Index end_, count_, values_;
  Batch current_, next_;
  std::mutex mutex_;  // guards what follows, and next_.items
  std::condition_variable wake_, all_read_;
  Index first_;         // sample of next_
  Index taken_, read_;  // of next_
  Index failed_ = 0;    // sample of failure_
  std::exception_ptr failure_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tessera
