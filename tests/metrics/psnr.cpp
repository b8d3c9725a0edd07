#include <tessera/metrics/psnr.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

TEST_CASE("psnr of 8-bit pixels") {
  const std::vector<std::uint8_t> a = {0, 255, 10, 20}, b = {255, 0, 10, 20};
  // Mean squared error 255^2 / 2: 10 log10(2).
  CHECK(tessera::psnr<std::uint8_t>(a, b, 255) == doctest::Approx(3.010299956639812).epsilon(1e-14));
  CHECK(tessera::mean_squared_error<std::uint8_t>(a, b) == 32512.5);
  CHECK(std::isinf(tessera::psnr<std::uint8_t>(a, a, 255)));
}

TEST_CASE("psnr of floats with their own peak") {
  const std::vector<float> a = {0.0f, 0.5f, -1.0f}, b = {0.25f, 0.5f, -0.75f};
  // Mean squared error 0.125 / 3.
  CHECK(tessera::psnr<float>(a, b, 1) == doctest::Approx(10 * std::log10(24.0)).epsilon(1e-14));
  CHECK(tessera::psnr<float>(a, b, 2) == doctest::Approx(10 * std::log10(96.0)).epsilon(1e-14));
}

TEST_CASE("psnr refuses sizes that differ") {
  const std::vector<float> a(3), b(4), none;
  CHECK_THROWS_AS(tessera::psnr<float>(a, b, 1), tessera::Error);
  CHECK_THROWS_AS(tessera::psnr<float>(none, none, 1), tessera::Error);
}
