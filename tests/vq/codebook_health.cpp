#include <tessera/vq/codebook_health.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <vector>

#include <tessera/core/random.hpp>

using namespace tessera;

namespace {

constexpr Index K = 20, C = 3;

std::vector<float> random_codes(double deviation) {
  std::vector<float> codes(static_cast<std::size_t>(K * C));
  Random random(5);
  for (float& x : codes) x = static_cast<float>(deviation * random.normal());
  return codes;
}

void set(std::vector<float>& codes, Index k, float a, float b, float c) {
  std::ranges::copy(std::array{a, b, c}, codes.begin() + k * C);
}

}  // namespace

TEST_CASE("codebook_health counts what it says") {
  std::vector<float> codes = random_codes(1);
  CodebookHealth health = codebook_health(codes, K, Metric::euclidean);
  CHECK(health.duplicates == 0);
  CHECK(health.dead == 0);
  CHECK(health.untrained == 0);

  for (const Index k : {3, 11, 19}) set(codes, k, 1, 2, 3);
  set(codes, 4, 0, 0, 0);
  set(codes, 5, 1, std::nanf(""), 1);
  set(codes, 6, 0.05F, -0.05F, 0.01F);
  set(codes, 7, 0.05F, -0.051F, 0.01F);
  health = codebook_health(codes, K, Metric::euclidean);
  CHECK(health.duplicates == 2);
  CHECK(health.dead == 1);
  CHECK(health.untrained == 2);
  CHECK(codebook_health(codes, K, Metric::cosine).dead == 2);
  set(codes, 12, 3, 6, 9);  // another length of the same direction
  CHECK(codebook_health(codes, K, Metric::euclidean).duplicates == 2);
  CHECK(codebook_health(codes, K, Metric::cosine).duplicates == 3);
  for (const Index k : {8, 9}) set(codes, k, INFINITY, 1, 2);  // dead, and nobody's duplicates
  health = codebook_health(codes, K, Metric::cosine);
  CHECK(health.duplicates == 3);
  CHECK(health.dead == 4);
}

TEST_CASE("codebook_health of one code") {
  const std::vector<float> one{1, 2, 3};
  CHECK(codebook_health(one, 1, Metric::cosine).duplicates == 0);
}
