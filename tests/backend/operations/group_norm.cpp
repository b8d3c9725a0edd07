#include <tessera/backend/reference/group_norm.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/group_norm.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::GroupNormOps<double>;

template <class T>
struct Result {
  std::vector<T> y, mean, rstd, dx, dweight, dbias;
};

template <class Ops, class T, Index C, Index G>
Result<T> run(Shape<C, G> size, Index batch, Index pixels) {
  const Index values = batch * pixels * C;
  const auto x = as<T>(random_values(values, 1));
  const auto weight = as<T>(random_values(C, 2));
  const auto bias = as<T>(random_values(C, 3));
  const auto dy = as<T>(random_values(values, 4));
  Result<T> result{poisoned<T>(values),        poisoned<T>(batch * G),
                   poisoned<T>(batch * G),     as<T>(random_values(values, 5)),
                   as<T>(random_values(C, 6)), as<T>(random_values(C, 7))};
  Ops::group_norm_silu(size, batch, pixels, x, weight, bias, result.y, result.mean, result.rstd);
  Ops::group_norm_silu_backward(size, batch, pixels, x, weight, bias, result.mean, result.rstd, dy, result.dx,
                                result.dweight, result.dbias);
  return result;
}

template <Index C, Index G>
void check(Shape<C, G> size, Index batch, Index pixels) {
  CAPTURE(C);
  CAPTURE(G);
  CAPTURE(pixels);
  const auto found = run<Tested, float>(size, batch, pixels);
  const auto expected = run<Reference, double>(size, batch, pixels);
  CHECK(distance(found.y, expected.y) < 1e-5);
  CHECK(distance(found.mean, expected.mean) < 1e-6);
  CHECK(distance(found.rstd, expected.rstd) < 1e-5);
  CHECK(distance(found.dx, expected.dx) < 1e-5);
  CHECK(distance(found.dweight, expected.dweight) < 1e-5);
  CHECK(distance(found.dbias, expected.dbias) < 1e-5);
}

}  // namespace

TEST_CASE("group norm agrees with the reference") {
  cases::group_norm([](auto size, Index batch, Index pixels) { check(size, batch, pixels); });
  check(shape<128, 32>, 1, 300);
  check(shape<64, 32>, 2, 2000);
  check(shape<6, 3>, 1, 5000);
}

TEST_CASE("group norm in place and without statistics gives the same values") {
  auto y = random_values(2 * 70 * 36, 1);
  Tested::group_norm_silu(shape<36, 4>, 2, 70, y, random_values(36, 2), random_values(36, 3), y, {}, {});
  CHECK(same_bits(y, run<Tested, float>(shape<36, 4>, 2, 70).y));
}

TEST_CASE("group norm of maps far from zero") {
  auto x = random_values(500 * 12, 1);
  for (float& value : x) value += 1000.0F;
  const std::vector<float> weight(12, 1.0F);
  const std::vector<float> bias(12, 0.0F);
  auto y = poisoned<float>(500 * 12);
  auto expected = poisoned<double>(500 * 12);
  Tested::group_norm_silu(shape<12, 3>, 1, 500, x, weight, bias, y, {}, {});
  Reference::group_norm_silu(shape<12, 3>, 1, 500, as<double>(x), as<double>(weight), as<double>(bias), expected, {},
                             {});
  CHECK(distance(y, expected) < 2e-4);
}

TEST_CASE("group norm has the same bits for every number of threads, and for an image alone") {
  check_threads([] { return run<Tested, float>(shape<48, 8>, 2, 3000).y; });
  check_threads([] { return run<Tested, float>(shape<48, 8>, 2, 3000).dx; });
  check_threads([] { return run<Tested, float>(shape<48, 8>, 2, 3000).dweight; });
  check_threads([] { return run<Tested, float>(shape<48, 8>, 2, 3000).dbias; });
  auto x = random_values(2 * 300 * 48, 1);
  auto both = poisoned<float>(2 * 300 * 48);
  auto second = poisoned<float>(300 * 48);
  const auto weight = random_values(48, 2);
  const auto bias = random_values(48, 3);
  Tested::group_norm_silu(shape<48, 8>, 2, 300, x, weight, bias, both, {}, {});
  Tested::group_norm_silu(shape<48, 8>, 1, 300, std::span(x).last(300 * 48), weight, bias, second, {}, {});
  both.erase(both.begin(), both.begin() + 300 * 48);
  CHECK(same_bits(second, both));
}
