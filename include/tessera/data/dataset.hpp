// The images of a training run in their order. Sample n is a pure function of the seed and n, so that a resumed run
// sees what an uninterrupted one would have seen.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <tessera/core/layout.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/core/random.hpp>
#include <tessera/data/image_source.hpp>

namespace tessera {

/// Which image each sample of a run is: every epoch runs through all images once, in an order of its own or as stored.
class SampleOrder {
 public:
  SampleOrder(Index count, bool shuffle, std::uint64_t seed) : count_(count), shuffle_(shuffle), seed_(seed) {}

  /// n >= 0, over all epochs.
  Index operator()(Index n) {
    const Index epoch = n / count_, position = n % count_;
    if (!shuffle_) return position;
    if (epoch != epoch_) {
      order_ = permutation(count_, Random(seed_, order_stream, static_cast<std::uint64_t>(epoch)));
      epoch_ = epoch;
    }
    return order_[static_cast<std::size_t>(position)];
  }

 private:
  static constexpr std::uint64_t order_stream = 0x6f72646572;  // "order": streams of one seed differ by their names

  Index count_;
  bool shuffle_;
  std::uint64_t seed_;
  Index epoch_ = -1;
  std::vector<Index> order_;  // of epoch_
};

class Dataset {
 public:
  Dataset(std::unique_ptr<ImageSource> source, bool shuffle, std::uint64_t seed)
      : source_(std::move(source)), order_(source_->count(), shuffle, seed), seed_(seed) {}

  [[nodiscard]] const ImageSource& source() const { return *source_; }

  /// Which images samples [first, first + count) of the run are.
  [[nodiscard]] std::vector<Index> items(Index first, Index count) {
    std::vector<Index> items;
    for (Index i = 0; i < count; ++i) items.push_back(order_(first + i));
    return items;
  }

  /// Samples [first, first + count) of the run -> out [count, C, H, W]. Throws Error when a file cannot be read again.
  void read(Index first, Index count, View<float> out) {
    const std::vector<Index> items = this->items(first, count);
    const Index values = static_cast<Index>(out.size()) / count;
    parallel_for_or_throw(count, [&](Index i) {
      read_sample(first + i, items[static_cast<std::size_t>(i)], slice(out, i * values, values));
    });
  }

  /// Sample n, which is image `item` (items()), -> out [C, H, W]; returns the image that it shows (ImageSource::used).
  /// Threads may call it at the same time. Throws Error when a file cannot be read again.
  Index read_sample(Index n, Index item, View<float> out) const {
    source_->augmented(item, Random(seed_, augment_stream, static_cast<std::uint64_t>(n)), out);
    return source_->used(item);
  }

 private:
  static constexpr std::uint64_t augment_stream = 0x617567;  // "aug"

  std::unique_ptr<ImageSource> source_;
  SampleOrder order_;
  std::uint64_t seed_;
};

}  // namespace tessera
