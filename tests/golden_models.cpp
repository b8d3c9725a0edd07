#include <check/golden_models.hpp>

#include <backend/tested.hpp>

TEST_CASE("golden models") {
  tessera::testing::check_golden_models<tessera::testing::Tested>();
}
