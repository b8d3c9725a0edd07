// Codes as moving averages of their latents.
#include <doctest/doctest.h>

#include <vector>

#include <tessera/vq/codebook_upkeep.hpp>

using namespace tessera;

TEST_CASE("CodebookUpkeep: a code that nobody chooses keeps its place, and follows its latents when chosen again") {
  CodebookUpkeep<2, 1> upkeep;
  std::vector<float> codes{3.0F, -2.0F};
  upkeep.start_ema(codes);
  const std::vector<float> z{1.0F};
  const std::vector<Token> first{0}, second{1};
  for (int step = 0; step < 5000; ++step) upkeep.update_ema(0.9, z, first, codes);  // 0.9^5000 is no float
  CHECK(codes[0] == doctest::Approx(1.0));
  CHECK(codes[1] == doctest::Approx(-2.0));
  upkeep.update_ema(0.9, z, second, codes);
  CHECK(codes[1] == doctest::Approx(1.0));
}
