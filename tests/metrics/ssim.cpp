#include <tessera/metrics/ssim.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <vector>

#include <tessera/io/image.hpp>

using tessera::Index;
using tessera::Pixels;

namespace {

const std::filesystem::path resized = std::filesystem::path(TESSERA_TEST_DATA) / "golden" / "resize";

/// [C, H, W] in [0, 1].
std::vector<float> planes(const Pixels& pixels) {
  std::vector<float> out;
  for (Index c = 0; c < pixels.channels; ++c) {
    for (std::size_t i = static_cast<std::size_t>(c); i < pixels.values.size(); i += 3) {
      out.push_back(static_cast<float>(pixels.values[i]) / 255.0f);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("ssim is scikit-image's") {
  const Pixels bilinear = tessera::read_image(resized / "chelsea_100_bilinear.png");
  const Pixels lanczos = tessera::read_image(resized / "chelsea_100_lanczos.png");
  const Pixels coffee = tessera::read_image(resized / "coffee_100_bilinear.png");
  // scikit-image: structural_similarity(a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
  // data_range=255, channel_axis=2)
  CHECK(tessera::ssim(bilinear, lanczos) == doctest::Approx(0.986138103243746).epsilon(1e-9));
  CHECK(tessera::ssim(bilinear, coffee) == doctest::Approx(0.0986191478043212).epsilon(1e-9));
  CHECK(tessera::ssim<float>(planes(bilinear), planes(lanczos), 3, 100, 100, 1.0) ==
        doctest::Approx(0.986138103243746).epsilon(1e-6));
  CHECK(tessera::ssim(coffee, coffee) == doctest::Approx(1.0).epsilon(1e-12));
}

TEST_CASE("ssim of images smaller than the window") {
  Pixels a(1, 1, 1), b(1, 1, 1);
  a.values = {100};
  b.values = {200};
  // One pixel: no variance, so only the means count.
  const double c1 = 2.55 * 2.55;
  CHECK(tessera::ssim(a, b) == doctest::Approx((2 * 100.0 * 200 + c1) / (100.0 * 100 + 200.0 * 200 + c1)));
  Pixels c(2, 5, 3);
  for (std::size_t i = 0; i < c.values.size(); ++i) c.values[i] = static_cast<std::uint8_t>(i * 8);
  Pixels d = c;
  CHECK(tessera::ssim(c, d) == doctest::Approx(1.0).epsilon(1e-12));
  for (std::uint8_t& value : d.values) value = static_cast<std::uint8_t>(255 - value);
  CHECK(tessera::ssim(c, d) < 0.5);
}

TEST_CASE("ssim refuses sizes that differ") {
  CHECK_THROWS_AS(tessera::ssim(Pixels(4, 4), Pixels(4, 5)), tessera::Error);
  CHECK_THROWS_AS(tessera::ssim(Pixels(2, 8), Pixels(4, 4)), tessera::Error);
  CHECK_THROWS_AS(tessera::ssim(Pixels(4, 4, 3), Pixels(4, 12, 1)), tessera::Error);
  CHECK_THROWS_AS(tessera::ssim(Pixels(0, 4), Pixels(0, 4)), tessera::Error);
  const std::vector<float> a(12), b(12);
  CHECK_THROWS_AS(tessera::ssim<float>(a, b, 3, 2, 3, 1.0), tessera::Error);
}
