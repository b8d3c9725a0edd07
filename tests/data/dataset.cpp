#include <doctest/doctest.h>

#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/data/dataset.hpp>

using namespace tessera;

namespace {

/// Image i is {i, a random number of its own}.
class Numbers final : public ImageSource {
 public:
  explicit Numbers(Index count) : count_(count) {}
  [[nodiscard]] Index count() const override { return count_; }
  void augmented(Index i, Random random, View<float> out) const override {
    if (i == broken) throw Error(ErrorCode::file_access, std::to_string(i), "no file", "a file");
    plain(i, out);
    out[1] = static_cast<float>(random.uniform());
  }
  void plain(Index i, View<float> out) const override { out[0] = static_cast<float>(i); }

  Index broken = -1;

 private:
  Index count_;
};

std::vector<float> read(Dataset& dataset, Index first, Index count) {
  std::vector<float> out(static_cast<std::size_t>(2 * count), std::numeric_limits<float>::quiet_NaN());
  dataset.read(first, count, out);
  return out;
}

}  // namespace

TEST_CASE("sample order: as stored, or every epoch through all images in an order of its own") {
  SampleOrder stored(5, false, 1), shuffled(50, true, 1);
  for (Index n = 0; n < 12; ++n) CHECK(stored(n) == n % 5);
  std::vector<std::vector<Index>> epochs(3);
  for (Index n = 0; n < 150; ++n) epochs[static_cast<std::size_t>(n / 50)].push_back(shuffled(n));
  for (const auto& epoch : epochs) CHECK(std::set<Index>(epoch.begin(), epoch.end()).size() == 50);
  CHECK(epochs[0] != epochs[1]);
  CHECK(epochs[1] != epochs[2]);
  SampleOrder other_seed(50, true, 2);
  CHECK(other_seed(0) + 50 * other_seed(1) != epochs[0][0] + 50 * epochs[0][1]);
}

TEST_CASE("dataset: any part of a run reads as in the whole run") {
  Dataset whole(std::make_unique<Numbers>(7), true, 3);
  const std::vector<float> all = read(whole, 0, 40);
  std::set<float> random_numbers;
  for (std::size_t n = 0; n < 40; ++n) random_numbers.insert(all[2 * n + 1]);
  CHECK(random_numbers.size() == 40);  // the same image is augmented anew in every epoch
  Dataset resumed(std::make_unique<Numbers>(7), true, 3);
  CHECK(read(resumed, 23, 9) == std::vector<float>(all.begin() + 46, all.begin() + 64));
  CHECK(read(resumed, 5, 3) == std::vector<float>(all.begin() + 10, all.begin() + 16));
}

TEST_CASE("dataset: an image that cannot be read is an error, from any thread") {
  auto numbers = std::make_unique<Numbers>(8);
  numbers->broken = 5;
  Dataset dataset(std::move(numbers), false, 0);
  std::vector<float> out(16);
  CHECK_THROWS_WITH_AS(dataset.read(0, 8, out), "5: found no file, expected a file", Error);
  CHECK_NOTHROW(dataset.read(0, 5, View<float>(out).first(10)));
}
