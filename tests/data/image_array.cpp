#include <doctest/doctest.h>

#include <files.hpp>
#include <limits>
#include <string>
#include <vector>

#include <tessera/data/image_array.hpp>

using namespace tessera;
using namespace tessera_test;

namespace {

constexpr Config model{.image = {2, 3}, .channels = 2, .patch_size = 1, .range = InputRange::minus_one_one};

std::vector<float> augmented(const ImageArray& images, Index i, std::uint64_t seed) {
  std::vector<float> out(12);
  images.augmented(i, Random(seed), out);
  return out;
}

}  // namespace

TEST_CASE("image array: leading dimensions count images, float32 as it is, uint8 into the model's range") {
  const TemporaryFolder folder;
  std::vector<float> values(4 * 12);
  std::vector<std::uint8_t> bytes(2 * 12);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) / 7;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(10 * i);
  const Index float_shape[] = {2, 2, 2, 2, 3}, byte_shape[] = {2, 2, 3, 2};
  write_npy<float>(folder / "f.npy", float_shape, values);
  write_npy<std::uint8_t>(folder / "b.npy", byte_shape, bytes);

  const ImageArray floats(folder / "f.npy", model);
  CHECK(floats.count() == 4);
  CHECK(augmented(floats, 3, 0) == std::vector<float>(values.begin() + 36, values.end()));

  const ImageArray pixels(folder / "b.npy", model);
  CHECK(pixels.count() == 2);
  const std::vector<float> image = augmented(pixels, 1, 0);  // [C, H, W] from [H, W, C]
  CHECK(image[0] == doctest::Approx(120 / 127.5 - 1));
  CHECK(image[1] == doctest::Approx(140 / 127.5 - 1));
  CHECK(image[6] == doctest::Approx(130 / 127.5 - 1));
}

TEST_CASE("image array: flips some images, left to right") {
  const TemporaryFolder folder;
  const std::vector<float> values{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  const std::vector<float> flipped{3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10};
  const Index shape[] = {2, 2, 3};
  write_npy<float>(folder / "one.npy", shape, values);
  const ImageArray images(folder / "one.npy", model, {.flip = true});
  int flips = 0;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const std::vector<float> image = augmented(images, 0, seed);
    CHECK((image == values || image == flipped));
    flips += image == flipped ? 1 : 0;
  }
  CHECK(flips > 30);
  CHECK(flips < 70);
}

TEST_CASE("image array: an image with a number that is none is refused when it is read") {
  const TemporaryFolder folder;
  std::vector<float> values(2 * 12);
  values[17] = std::numeric_limits<float>::infinity();
  const Index shape[] = {2, 2, 2, 3};
  write_npy<float>(folder / "x.npy", shape, values);
  const ImageArray images(folder / "x.npy", model);
  CHECK(augmented(images, 0, 0) == std::vector<float>(12));
  const std::string line = error_line([&] { augmented(images, 1, 0); });
  CHECK(line.find("x.npy: found inf in image 1") != std::string::npos);
}

TEST_CASE("image array: what does not fit the model is refused") {
  const TemporaryFolder folder;
  const auto refused = [&](auto zero, std::vector<Index> shape) {
    Index count = 1;
    for (const Index size : shape) count *= size;
    const std::vector<decltype(zero)> values(static_cast<std::size_t>(count), zero);
    write_npy<decltype(zero)>(folder / "x.npy", shape, values);
    return error_line([&] { ImageArray(folder / "x.npy", model); });
  };
  CHECK(contains(refused(0.0F, {4, 2, 3, 3}), "found shape [4, 2, 3, 3], expected [..., 2, 2, 3] (float32"));
  CHECK(contains(refused(0.0F, {2, 3}), "found shape [2, 3]"));
  CHECK(contains(refused(std::uint8_t{0}, {4, 2, 2, 3}), "expected [..., 2, 3, 2] (uint8"));
  CHECK(contains(refused(0.0, {4, 2, 2, 3}), "found F64 elements"));
  CHECK(contains(refused(0.0F, {0, 2, 2, 3}), "found no image"));
}

TEST_CASE("image array: values far outside the model's range are refused, a black background or not") {
  const TemporaryFolder folder;
  const Index shape[] = {20, 2, 2, 3};
  std::vector<float> values(20 * 12);
  const auto line = [&] {
    write_npy<float>(folder / "x.npy", shape, values);
    return error_line([&] { ImageArray(folder / "x.npy", model); });
  };
  for (std::size_t i = 0; i < values.size(); i += 5) values[i] = 255;
  CHECK(contains(line(), "found values from 0 to 255, expected about -1 to 1, the model's range"));
  for (float& x : values) x /= 50;
  CHECK(line().empty());
  values[7] = 1e9F;  // a single one is no sign of another range
  CHECK(line().empty());
}
