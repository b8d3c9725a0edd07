#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <limits>
#include <memory>
#include <thread>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/data/prefetch.hpp>

using namespace tessera;

namespace {

/// Image i is {i, a random number of its own}. Image 3 is replaced by image 4; image 5 fails where `fails`.
class Numbers final : public ImageSource {
 public:
  explicit Numbers(bool fails = false) : fails_(fails) {}
  [[nodiscard]] Index count() const override { return 7; }
  void augmented(Index i, Random random, View<float> out) const override {
    ++read_;
    if (i % 2 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (fails_ && i == 5) throw Error(ErrorCode::file_access, "image 5", "no file", "a file");
    out[0] = static_cast<float>(used(i));
    out[1] = static_cast<float>(random.uniform());
  }
  void plain(Index i, View<float> out) const override { out[0] = static_cast<float>(i); }
  [[nodiscard]] Index used(Index i) const override { return i == 3 ? 4 : i; }
  [[nodiscard]] int read() const { return read_; }

 private:
  bool fails_;
  mutable std::atomic<int> read_ = 0;
};

}  // namespace

TEST_CASE("prefetch: the samples of the run in their order, on any number of threads") {
  constexpr Index count = 4, first = 8, end = 40;
  for (const bool shuffle : {false, true}) {
    Dataset expected(std::make_unique<Numbers>(), shuffle, 3);
    for (const int threads : {0, 1, 3}) {
      CAPTURE(threads);
      Dataset dataset(std::make_unique<Numbers>(), shuffle, 3);
      Prefetch prefetch(dataset, first, end, count, 2, threads);
      for (Index n = first; n < end; n += count) {
        std::vector<float> images(2 * count, std::numeric_limits<float>::quiet_NaN());
        expected.read(n, count, images);
        const Prefetch::Batch& batch = prefetch.next();
        CHECK(batch.images == images);
        for (std::size_t i = 0; i < count; ++i) CHECK(static_cast<float>(batch.items[i]) == images[2 * i]);
      }
    }
  }
}

TEST_CASE("prefetch: reads one batch ahead and nothing beyond the end") {
  auto source = std::make_unique<Numbers>();
  const Numbers& numbers = *source;
  Dataset dataset(std::move(source), false, 0);
  const auto wait_for = [&](int read) {
    for (int i = 0; i < 100 && numbers.read() < read; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return numbers.read();
  };
  Prefetch prefetch(dataset, 0, 9, 3, 2, 2);
  for (const int read : {3, 6, 9}) {
    CHECK(wait_for(read) == read);
    (void)prefetch.next();
  }
  CHECK(wait_for(10) == 9);
  Dataset done(std::make_unique<Numbers>(), false, 0);
  const Prefetch none(done, 9, 9, 3, 2, 2);
  CHECK(dynamic_cast<const Numbers&>(done.source()).read() == 0);
}

TEST_CASE("prefetch: an error is thrown at the batch that it belongs to, and ends cleanly") {
  for (const int threads : {0, 2}) {
    CAPTURE(threads);
    Dataset dataset(std::make_unique<Numbers>(true), false, 0);
    Prefetch prefetch(dataset, 0, 30, 3, 2, threads);
    CHECK(prefetch.next().images[0] == 0);
    for (int again = 0; again < 2; ++again)
      CHECK_THROWS_WITH_AS(prefetch.next(), "image 5: found no file, expected a file", Error);
  }
  // Let go of in the middle.
  for (int i = 0; i < 20; ++i) {
    Dataset dataset(std::make_unique<Numbers>(), false, 0);
    Prefetch prefetch(dataset, 0, 300, 30, 2, 2);
    if (i % 2 == 0) (void)prefetch.next();
  }
}
