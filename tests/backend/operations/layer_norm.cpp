#include <tessera/backend/reference/layer_norm.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/layer_norm.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::LayerNormOps<double>;

template <class T>
struct Result {
  std::vector<T> y, mean, rstd, dx, dweight, dbias;
};

template <class Ops, class T, Index D>
Result<T> run(Shape<D> size, Index rows) {
  const auto x = as<T>(random_values(rows * D, 1));
  const auto weight = as<T>(random_values(D, 2));
  const auto bias = as<T>(random_values(D, 3));
  const auto dy = as<T>(random_values(rows * D, 4));
  Result<T> result{poisoned<T>(rows * D),      poisoned<T>(rows),
                   poisoned<T>(rows),          as<T>(random_values(rows * D, 5)),
                   as<T>(random_values(D, 6)), as<T>(random_values(D, 7))};
  Ops::layer_norm(size, rows, x, weight, bias, result.y, result.mean, result.rstd);
  Ops::layer_norm_backward(size, rows, x, weight, result.mean, result.rstd, dy, result.dx, result.dweight,
                           result.dbias);
  return result;
}

template <Index D>
void check(Shape<D> size, Index rows) {
  CAPTURE(D);
  CAPTURE(rows);
  const auto found = run<Tested, float>(size, rows);
  const auto expected = run<Reference, double>(size, rows);
  CHECK(distance(found.y, expected.y) < 1e-5);
  CHECK(distance(found.mean, expected.mean) < 1e-6);
  CHECK(distance(found.rstd, expected.rstd) < 1e-5);
  // The slope of a row of two values is nearly zero: rounding, divided by their small deviation, is what is left.
  CHECK(distance(found.dx, expected.dx) < (D == 2 ? 5e-5 : 1e-5));
  CHECK(distance(found.dweight, expected.dweight) < 1e-5);
  CHECK(distance(found.dbias, expected.dbias) < 1e-6);
}

}  // namespace

TEST_CASE("layer norm agrees with the reference") {
  cases::layer_norm([](auto size, Index rows) { check(size, rows); });
  check(shape<64>, 3);
  check(shape<100>, 3);
  check(shape<192>, 100);
  check(shape<1030>, 2);
}

TEST_CASE("layer norm without statistics gives the same rows") {
  const auto x = random_values(5 * 36, 1);
  const auto weight = random_values(36, 2);
  const auto bias = random_values(36, 3);
  auto y = poisoned<float>(5 * 36);
  Tested::layer_norm(shape<36>, 5, x, weight, bias, y, {}, {});
  CHECK(same_bits(y, run<Tested, float>(shape<36>, 5).y));
  auto untouched = poisoned<float>(5);
  const View<float> empty = View<float>(untouched).first(0);  // which points somewhere all the same
  Tested::layer_norm(shape<36>, 5, x, weight, bias, y, empty, empty);
  CHECK(same_bits(untouched, poisoned<float>(5)));
}

TEST_CASE("layer norm of rows far from zero") {
  auto x = random_values(4 * 60, 1);
  for (float& value : x) value += 1000.0F;
  const std::vector<float> weight(60, 1.0F);
  const std::vector<float> bias(60, 0.0F);
  auto y = poisoned<float>(4 * 60);
  auto expected = poisoned<double>(4 * 60);
  Tested::layer_norm(shape<60>, 4, x, weight, bias, y, {}, {});
  Reference::layer_norm(shape<60>, 4, as<double>(x), as<double>(weight), as<double>(bias), expected, {}, {});
  CHECK(distance(y, expected) < 2e-4);
}

TEST_CASE("layer norm has the same bits for every number of threads") {
  check_threads([] { return run<Tested, float>(shape<192>, 301).y; });
  check_threads([] { return run<Tested, float>(shape<192>, 301).dx; });
  check_threads([] { return run<Tested, float>(shape<192>, 301).dweight; });
  check_threads([] { return run<Tested, float>(shape<192>, 301).dbias; });
}
