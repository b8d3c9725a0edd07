#include <check/golden_training.hpp>

#include <tessera/backend/reference/reference.hpp>

using namespace tessera;

TEST_CASE("golden training: reference<double>") {
  testing::check_golden_training<reference<double>>();
}
TEST_CASE("golden training: reference<float>") {
  testing::check_golden_training<reference<float>>();
}
TEST_CASE("golden training: cpu") {
  testing::check_golden_training<cpu>();
}
