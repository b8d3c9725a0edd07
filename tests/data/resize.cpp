#include <tessera/data/resize.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include <tessera/io/image.hpp>

namespace {

using tessera::Filter;
using tessera::Index;
using tessera::Pixels;

const std::filesystem::path golden = std::filesystem::path(TESSERA_TEST_DATA) / "golden";

Filter filter_named(const std::string& name) {
  if (name == "bilinear") return Filter::bilinear;
  if (name == "bicubic") return Filter::bicubic;
  REQUIRE(name == "lanczos");
  return Filter::lanczos;
}

/// Every entry of index.json, resized and compared with Pillow's pixels.
void compare_with_pillow() {
  const auto index = nlohmann::json::parse(std::ifstream(golden / "resize" / "index.json"));
  REQUIRE(index.size() == 17);
  for (const auto& entry : index) {
    const auto name = entry.at("output").get<std::string>();
    CAPTURE(name);
    const Pixels photo = tessera::read_image(golden / "photos" / entry.at("photo").get<std::string>());
    const Index side = entry.at("shorter_edge");
    const Pixels expected = tessera::read_image(golden / "resize" / name);
    const Pixels found =
        tessera::resize_and_crop(photo, side, side, filter_named(entry.at("filter").get<std::string>()));
    CHECK(found == expected);
  }
}

/// The middle of `full`, computed the long way.
Pixels crop(const Pixels& full, Index top, Index left, Index height, Index width) {
  Pixels out(height, width, full.channels);
  for (Index y = 0; y < height; ++y) {
    std::copy_n(full.row(top + y) + left * full.channels, width * full.channels, out.row(y));
  }
  return out;
}

Pixels gradient(Index height, Index width, Index channels) {
  Pixels pixels(height, width, channels);
  for (std::size_t i = 0; i < pixels.values.size(); ++i) pixels.values[i] = static_cast<std::uint8_t>(i * i * 37 % 251);
  return pixels;
}

}  // namespace

TEST_CASE("resize_and_crop gives Pillow's pixels") {
  compare_with_pillow();
}

TEST_CASE("resize_and_crop gives the same pixels on any threads, in any order") {
  tessera::set_parallel_for([](Index count, void (*task)(void*, Index), void* context) {
    for (Index i = count; i-- > 0;) task(context, i);
  });
  compare_with_pillow();
  tessera::set_parallel_for(nullptr);
}

TEST_CASE("resize at the same size changes nothing") {
  for (const Index channels : {Index{1}, Index{3}}) {
    const Pixels in = gradient(7, 11, channels);
    for (const Filter filter : {Filter::bilinear, Filter::bicubic, Filter::lanczos}) {
      CHECK(tessera::resize(in, 7, 11, filter) == in);
    }
  }
}

TEST_CASE("resize agrees with Pillow on hand-picked sizes") {
  // Pillow 13: Image.fromarray(a).resize((width, height), filter) with a = the row below.
  Pixels row(1, 5, 1);
  row.values = {0, 255, 0, 200, 90};
  // clang-format off
  CHECK(tessera::resize(row, 1, 3, Filter::bilinear).values == std::vector<std::uint8_t>{109, 101, 137});
  CHECK(tessera::resize(row, 1, 3, Filter::bicubic).values == std::vector<std::uint8_t>{108, 109, 134});
  CHECK(tessera::resize(row, 1, 3, Filter::lanczos).values == std::vector<std::uint8_t>{106, 120, 128});
  CHECK(tessera::resize(row, 1, 8, Filter::bilinear).values == std::vector<std::uint8_t>{0, 112, 239, 80, 63, 188, 138, 90});
  CHECK(tessera::resize(row, 1, 8, Filter::bicubic).values == std::vector<std::uint8_t>{0, 114, 252, 63, 39, 195, 143, 82});
  CHECK(tessera::resize(row, 1, 8, Filter::lanczos).values == std::vector<std::uint8_t>{0, 124, 253, 65, 26, 193, 155, 73});
  // clang-format on
}

TEST_CASE("resize of tall images makes the vertical pass first, as Pillow 13 does") {
  // Pillow 13 and 11 differ here: Image.fromarray(a).resize((2, 2), BICUBIC), a[y][x] = (y * 4 + x)^2 * 37 % 251.
  Pixels tall = gradient(9, 4, 1);
  // clang-format off
  CHECK(tessera::resize(tall, 2, 2, Filter::bicubic).values == std::vector<std::uint8_t>{132, 136, 159, 142});
  CHECK(tessera::resize(tall, 3, 3, Filter::lanczos).values == std::vector<std::uint8_t>{84, 170, 103, 156, 156, 139, 188, 117, 157});
  // clang-format on
  const Pixels large = gradient(300, 40, 3);  // a crop of it is the middle of the whole
  CHECK(tessera::resize_and_crop(large, 30, 30, Filter::bicubic) ==
        crop(tessera::resize(large, 225, 30, Filter::bicubic), 98, 0, 30, 30));
  CHECK(tessera::resize_and_crop(large, 150, 10, Filter::lanczos) ==
        crop(tessera::resize(large, 150, 20, Filter::lanczos), 0, 5, 150, 10));
}

TEST_CASE("resize_and_crop covers targets that are not square, and crops half-to-even") {
  const Pixels in = gradient(30, 47, 3);
  // 30 x 47 covers 20 x 16 at 20 x 31 (47 * 20 / 30 = 31.3); (31 - 16) / 2 = 7.5 rounds to 8.
  CHECK(tessera::resize_and_crop(in, 20, 16, Filter::bicubic) ==
        crop(tessera::resize(in, 20, 31, Filter::bicubic), 0, 8, 20, 16));
  // 10 x 40 is covered at 25 x 40 (30 * 40 / 47 = 25.5); (25 - 10) / 2 = 7.5 rounds to 8.
  CHECK(tessera::resize_and_crop(in, 10, 40, Filter::lanczos) ==
        crop(tessera::resize(in, 25, 40, Filter::lanczos), 8, 0, 10, 40));
  // 12 x 12 at 12 x 18: (18 - 12) / 2 = 3. 20 x 31 for 20 x 18: 6.5 rounds to 6.
  CHECK(tessera::resize_and_crop(in, 12, 12, Filter::bilinear) ==
        crop(tessera::resize(in, 12, 18, Filter::bilinear), 0, 3, 12, 12));
  CHECK(tessera::resize_and_crop(in, 20, 18, Filter::bilinear) ==
        crop(tessera::resize(in, 20, 31, Filter::bilinear), 0, 6, 20, 18));
}

TEST_CASE("resize_and_crop of a very long image computes no more than the crop") {
  const Pixels strip = gradient(1, 4000, 3);
  const Pixels out = tessera::resize_and_crop(strip, 64, 64, Filter::bicubic);  // of 64 x 256000
  CHECK(out.height == 64);
  CHECK(out.width == 64);
  CHECK(out.values[0] == strip.values[3 * 1999]);
}

TEST_CASE("resize refuses what has no pixels, or too many") {
  CHECK_THROWS_AS(tessera::resize(Pixels(5, 5), Index{1} << 32, Index{1} << 32, Filter::bicubic), tessera::Error);
  CHECK_THROWS_AS(tessera::resize(Pixels(0, 5), 4, 4, Filter::bicubic), tessera::Error);
  CHECK_THROWS_AS(tessera::resize(Pixels(5, 5), 4, 0, Filter::bicubic), tessera::Error);
  CHECK_THROWS_AS(tessera::resize(Pixels(5, 5, 2), 4, 4, Filter::bicubic), tessera::Error);
}
