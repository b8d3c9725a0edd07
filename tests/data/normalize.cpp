#include <tessera/data/normalize.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <vector>

using tessera::Pixels;

TEST_CASE("normalize gives PyTorch's float32 values") {
  Pixels pixels(1, 2, 3);
  pixels.values = {0, 124, 255, 1, 77, 200};
  std::vector<float> out(6, std::numeric_limits<float>::quiet_NaN());
  const std::vector<float> mean = {0.485f, 0.456f, 0.406f}, deviation = {0.229f, 0.224f, 0.225f};
  tessera::normalize(pixels, mean, deviation, out);
  // NumPy in float32: (u / 255 - mean) / std, [C, H, W].
  CHECK(out == std::vector<float>{-2.11790395f, -2.10077929f, 0.135154054f, -0.687674999f, 2.6400001f, 1.68139446f});
}

TEST_CASE("normalize and denormalize are inverse for every level and range") {
  const std::vector<std::vector<float>> ranges[] = {
      {{0, 0, 0}, {1, 1, 1}}, {{.5f, .5f, .5f}, {.5f, .5f, .5f}}, {{.485f, .456f, .406f}, {.229f, .224f, .225f}}};
  Pixels pixels(16, 16, 3);
  for (std::size_t i = 0; i < pixels.values.size(); ++i) pixels.values[i] = static_cast<std::uint8_t>(i / 3 + i % 3);
  for (const auto& range : ranges) {
    std::vector<float> out(pixels.values.size(), std::numeric_limits<float>::quiet_NaN());
    tessera::normalize(pixels, range[0], range[1], out);
    CHECK(tessera::denormalize(out, 16, 16, range[0], range[1]) == pixels);
  }
}

TEST_CASE("denormalize clamps and rounds to the nearest") {
  const std::vector<float> mean = {0}, deviation = {1};
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> image = {-0.5f, 1.5f, 0.4f / 255, 0.6f / 255, 254.4f / 255, 254.6f / 255, nan, infinity};
  CHECK(tessera::denormalize(image, 2, 4, mean, deviation).values ==
        std::vector<std::uint8_t>{0, 255, 0, 1, 254, 255, 0, 255});
}

TEST_CASE("normalize refuses sizes that do not fit") {
  const std::vector<float> one = {0}, three = {0, 0, 0};
  std::vector<float> out(12);
  CHECK_THROWS_AS(tessera::normalize(Pixels(2, 2, 3), one, three, out), tessera::Error);
  CHECK_THROWS_AS(tessera::normalize(Pixels(2, 2, 1), one, one, out), tessera::Error);
  CHECK_THROWS_AS(tessera::denormalize(out, 2, 2, one, one), tessera::Error);
}
