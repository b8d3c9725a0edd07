#include <check/golden_training.hpp>

#include <tessera/backend/thrust/thrust_host.hpp>

TEST_CASE("golden training: thrust_host") {
  tessera::testing::check_golden_training<tessera::thrust_host>();
}
