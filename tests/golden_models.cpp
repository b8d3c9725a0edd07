#include <check/golden_models.hpp>

#include <tessera/backend/reference/reference.hpp>

using namespace tessera;

TEST_CASE("golden models: reference<double>") {
  testing::check_golden_models<reference<double>>();
}
TEST_CASE("golden models: reference<float>") {
  testing::check_golden_models<reference<float>>();
}
TEST_CASE("golden models: cpu") {
  testing::check_golden_models<cpu>();
}
