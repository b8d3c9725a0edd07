#include <doctest/doctest.h>

#include <algorithm>
#include <files.hpp>
#include <limits>
#include <set>
#include <vector>

#include <tessera/data/photographs.hpp>

using namespace tessera;
using namespace tessera_test;

namespace {

constexpr Config model{.image = {48, 40}, .patch_size = 8};

std::filesystem::path photos() {
  return std::filesystem::path(TESSERA_TEST_DATA) / "golden" / "photos";
}

std::vector<float> image_of(auto&& fill) {
  std::vector<float> out(static_cast<std::size_t>(model.image_values()), std::numeric_limits<float>::quiet_NaN());
  fill(View<float>(out));
  return out;
}

std::vector<float> augmented(const Photographs& photographs, Index i, std::uint64_t seed) {
  return image_of([&](View<float> out) { photographs.augmented(i, Random(seed), out); });
}

}  // namespace

TEST_CASE("photographs: pyramid from the model's size to six times it, never larger than the photograph") {
  const Pixels photograph(300, 451);
  const auto levels = detail::photograph_pyramid(photograph, {48, 40}, Filter::bicubic);
  REQUIRE(levels.size() == 6);  // 48, 68, 96, 136, 192, 272 rows; 384 are more than 300
  CHECK(levels[0].height == 48);
  CHECK(levels[0].width == 72);
  CHECK(levels[2].height == 96);
  CHECK(levels[5].height == 272);
  const auto capped = detail::photograph_pyramid(Pixels(2000, 1500), {48, 40}, Filter::bicubic);
  CHECK(capped.size() == 6);
  const auto enlarged = detail::photograph_pyramid(Pixels(20, 20), {48, 40}, Filter::bicubic);
  REQUIRE(enlarged.size() == 1);
  CHECK(enlarged[0].height == 48);
  CHECK(enlarged[0].width == 48);
}

TEST_CASE("photographs: without augmentation, the pixels that encode sees") {
  const Photographs photographs(photos(), model, {.augment = {}});
  REQUIRE(photographs.count() == 3);  // chelsea, coffee, rocket
  const Pixels coffee = resize_and_crop(read_image(photos() / "coffee.png"), 48, 40, Filter::bicubic);
  const auto expected = image_of([&](View<float> out) { to_model_range(model, coffee, out); });
  CHECK(augmented(photographs, 1, 5) == expected);
  CHECK(image_of([&](View<float> out) { photographs.plain(1, out); }) == expected);
}

TEST_CASE("photographs: random crops, flips and sizes, from the random numbers alone") {
  const Photographs kept(photos(), model), decoded_again(photos(), model, {.memory = 0});
  std::set<std::vector<float>> images;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> image = augmented(kept, 2, seed);
    CHECK(std::ranges::all_of(image, [](float x) { return x >= 0 && x <= 1; }));
    images.insert(image);
    if (seed < 3) CHECK(augmented(decoded_again, 2, seed) == image);
  }
  CHECK(images.size() == 20);
}

TEST_CASE("photographs: coarse levels come more often") {
  std::vector<int> drawn(3);
  Random random(1);
  for (int i = 0; i < 6000; ++i) ++drawn[detail::draw_level(3, random)];
  CHECK(drawn[0] == doctest::Approx(6000 * 6.0 / 11).epsilon(0.05));
  CHECK(drawn[1] == doctest::Approx(6000 * 3.0 / 11).epsilon(0.05));
  CHECK(drawn[2] == doctest::Approx(6000 * 2.0 / 11).epsilon(0.05));
}

TEST_CASE("photographs: grey models, other channels, broken files") {
  constexpr Config grey{.image = {16, 16}, .channels = 1, .patch_size = 8}, bands{.image = {16, 16}, .channels = 8};
  std::vector<float> out(256, std::numeric_limits<float>::quiet_NaN());
  Photographs(photos(), grey).augmented(0, Random(1), out);
  CHECK(std::ranges::all_of(out, [](float x) { return x >= 0 && x <= 1; }));
  CHECK(contains(error_line([&] { Photographs(photos(), bands, {.skip_broken = true}); }), "a model of 8 channels"));

  const TemporaryFolder folder;
  std::filesystem::copy(photos() / "coffee.png", folder / "good.png");
  write_bytes(folder / "bad.png", read_bytes(folder / "good.png").substr(0, 9000));
  CHECK(contains(error_line([&] { augmented(Photographs(folder.path(), model), 0, 1); }), "bad.png"));
}

TEST_CASE("photographs: a folder is listed, and a file decoded at its first use") {
  const TemporaryFolder folder;
  for (const char* name : {"a.png", "b.png", "c.png"}) write_bytes(folder / name, "not yet a picture");
  const Photographs photographs(folder.path(), model);
  CHECK(photographs.count() == 3);
  write_bytes(folder / "b.png", read_bytes(photos() / "coffee.png"));
  const std::vector<float> image = augmented(photographs, 1, 7);
  write_bytes(folder / "b.png", "no picture any more");
  CHECK(augmented(photographs, 1, 7) == image);  // it is kept
}

TEST_CASE("photographs: no more is kept than there is memory for") {
  const TemporaryFolder folder;
  const std::string picture = read_bytes(photos() / "coffee.png");
  for (const char* name : {"a.png", "b.png"}) write_bytes(folder / name, picture);
  const std::size_t one = 48 * 40 * 3;  // what is kept where nothing is cropped at random
  const Photographs photographs(folder.path(), model, {.augment = {}, .memory = one});
  for (const Index i : {0, 1}) (void)augmented(photographs, i, 1);
  for (const char* name : {"a.png", "b.png"}) write_bytes(folder / name, "");
  CHECK(error_line([&] { augmented(photographs, 0, 1); }).empty());
  CHECK(contains(error_line([&] { augmented(photographs, 1, 1); }), "b.png"));
}

TEST_CASE("photographs: with skip_broken the next photograph stands for a broken one, named once") {
  const TemporaryFolder folder;
  write_bytes(folder / "1.png", "broken");
  write_bytes(folder / "2.png", read_bytes(photos() / "coffee.png"));
  write_bytes(folder / "3.png", "");
  write_bytes(folder / "4.png", "");
  std::vector<std::filesystem::path> named;
  const Photographs skipping(folder.path(), model,
                             {.skip_broken = true, .on_broken = [&](const auto& file, const Error& why) {
                                CHECK(contains(why.what(), file.string()));
                                named.push_back(file);
                              }});
  CHECK(skipping.count() == 4);
  for (int again = 0; again < 2; ++again) {
    for (const Index i : {2, 0, 3, 1}) {
      CHECK(augmented(skipping, i, 9) == augmented(skipping, 1, 9));
      CHECK(skipping.used(i) == 1);
    }
  }
  CHECK(named == std::vector<std::filesystem::path>{folder / "3.png", folder / "4.png", folder / "1.png"});
  CHECK(skipping.skipped().size() == 3);
  write_bytes(folder / "2.png", "");
  const Photographs none(folder.path(), model, {.skip_broken = true});
  CHECK(contains(error_line([&] { augmented(none, 2, 1); }), "found only broken images"));
}
