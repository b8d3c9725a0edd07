#include <check/golden_models.hpp>

#include <tessera/backend/thrust/thrust_host.hpp>

TEST_CASE("golden models: thrust_host") {
  tessera::testing::check_golden_models<tessera::thrust_host>();
}
