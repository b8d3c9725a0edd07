#include <tessera/core/half.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>

using tessera::float_to_half;
using tessera::half_to_float;

TEST_CASE("half_to_float follows IEEE 754 for every bit pattern") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float found = half_to_float(static_cast<std::uint16_t>(bits));
    const std::uint32_t exponent = (bits >> 10) & 31, mantissa = bits & 1023;
    const double sign = bits & 0x8000 ? -1.0 : 1.0;
    CAPTURE(bits);
    if (exponent == 31 && mantissa != 0) {
      REQUIRE(std::isnan(found));
    } else if (exponent == 31) {
      REQUIRE(found == sign * std::numeric_limits<float>::infinity());
    } else {
      const double expected =
          exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024.0 + mantissa, static_cast<int>(exponent) - 25);
      REQUIRE(found == sign * expected);
      REQUIRE(std::signbit(found) == (sign < 0));
    }
  }
}

TEST_CASE("float_to_half returns every binary16, and rounds to the nearest, ties to even") {
  for (std::uint32_t bits = 0; bits < 0x7c00; ++bits) {  // finite, not negative
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = half_to_float(half);
    REQUIRE(float_to_half(value) == half);
    REQUIRE(float_to_half(-value) == (half | 0x8000));
    const float next = bits + 1 < 0x7c00 ? half_to_float(static_cast<std::uint16_t>(bits + 1)) : 65536.0f;
    const float middle = (value + next) / 2;  // exact: binary16 has 13 bits less
    const auto even = static_cast<std::uint16_t>(bits + (bits & 1));
    CAPTURE(bits);
    REQUIRE(float_to_half(middle) == even);
    REQUIRE(float_to_half(std::nextafter(middle, 0.0f)) == half);
    REQUIRE(float_to_half(std::nextafter(middle, 1e30f)) == half + 1);
  }
}

TEST_CASE("float_to_half at the edges") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(float_to_half(infinity) == 0x7c00);
  CHECK(float_to_half(-infinity) == 0xfc00);
  CHECK(float_to_half(std::numeric_limits<float>::max()) == 0x7c00);
  CHECK(float_to_half(65504.0f) == 0x7bff);
  CHECK(float_to_half(std::numeric_limits<float>::denorm_min()) == 0);
  CHECK(float_to_half(-0.0f) == 0x8000);
  CHECK(std::isnan(half_to_float(float_to_half(std::numeric_limits<float>::quiet_NaN()))));
  CHECK(std::isnan(half_to_float(float_to_half(std::bit_cast<float>(0xff800001u)))));
}

TEST_CASE("bfloat16_to_float takes the upper half") {
  CHECK(tessera::bfloat16_to_float(0x3f80) == 1.0f);
  CHECK(tessera::bfloat16_to_float(0xc049) == -3.140625f);
}
