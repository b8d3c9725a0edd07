#include <check/golden_training.hpp>

#include <backend/tested.hpp>

TEST_CASE("golden training") {
  tessera::testing::check_golden_training<tessera::testing::Tested>();
}
