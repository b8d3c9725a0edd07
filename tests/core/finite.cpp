// Numbers that are NaN or infinite are found wherever they stand, and named.
#include <doctest/doctest.h>

#include <files.hpp>
#include <limits>
#include <vector>

#include <tessera/core/finite.hpp>

using namespace tessera;
using tessera_test::error_line;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN(),
                infinity = std::numeric_limits<float>::infinity(), largest = std::numeric_limits<float>::max();

}  // namespace

TEST_CASE("largest_magnitude and first_not_finite, in any part of a long buffer") {
  CHECK(largest_magnitude({}) == 0);
  CHECK(first_not_finite({}) == 0);
  std::vector<float> values(600000, -0.5F);
  CHECK(largest_magnitude(values) == 0.5F);
  for (const std::size_t place : {std::size_t{0}, std::size_t{262143}, std::size_t{262144}, values.size() - 1}) {
    CAPTURE(place);
    values[place] = -largest;
    CHECK(largest_magnitude(values) == largest);
    CHECK(first_not_finite(values) == values.size());
    for (const float wrong : {not_a_number, -not_a_number, infinity, -infinity}) {
      values[place] = wrong;
      CHECK_FALSE(std::isfinite(largest_magnitude(values)));
      CHECK(first_not_finite(values) == place);
    }
    values[place] = 0;
  }
  values[300000] = not_a_number;
  values[500000] = infinity;
  CHECK(first_not_finite(values) == 300000);
}

TEST_CASE("errors name the number, and the image or the tensor") {
  const std::vector<float> values{0, 1, 2, 3, infinity, not_a_number};
  CHECK(error_line([&] { check_finite_images("f", "the text of ", values, 2); }) ==
        "f: found infinity in the text of image 2, expected finite numbers");
  CHECK(error_line([&] { check_finite("file", "ln.weight", values); }) ==
        "file: 'ln.weight': found infinity at element 4, expected finite weights");
  CHECK(error_line([&] { check_finite("", "ln.weight", slice(View<const float>(values), 5, 1)); }) ==
        "'ln.weight': found NaN at element 0, expected finite weights");
  CHECK(error_line([&] { check_finite_images("f", "", first(View<const float>(values), 4), 2); }).empty());
}
