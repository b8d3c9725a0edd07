#include <tessera/backend/reference/conv3x3.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/conv3x3.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::Conv3x3Ops<double>;

template <class T>
struct Result {
  std::vector<T> y, dx, dweight, dbias;
};

template <class Ops, class T, Index C, Index H, Index W>
Result<T> run(Shape<C, H, W> size, Index batch) {
  const Index values = batch * C * H * W;
  const auto x = as<T>(random_values(values, 1));
  const auto weight = as<T>(random_values(C * C * 9, 2));
  const auto bias = as<T>(random_values(C, 3));
  const auto dy = as<T>(random_values(values, 4));
  Result<T> result{poisoned<T>(values), poisoned<T>(values), as<T>(random_values(C * C * 9, 5)),
                   as<T>(random_values(C, 6))};
  Ops::conv3x3(size, batch, x, weight, bias, result.y);
  Ops::conv3x3_backward(size, batch, x, weight, dy, result.dx, result.dweight, result.dbias);
  return result;
}

template <Index C, Index H, Index W>
void check(Shape<C, H, W> size, Index batch) {
  CAPTURE(C);
  CAPTURE(H);
  CAPTURE(W);
  const auto found = run<Tested, float>(size, batch);
  const auto expected = run<Reference, double>(size, batch);
  CHECK(distance(found.y, expected.y) < 2e-6);
  CHECK(distance(found.dx, expected.dx) < 2e-6);
  CHECK(distance(found.dweight, expected.dweight) < 2e-6);
  CHECK(distance(found.dbias, expected.dbias) < 2e-6);
}

}  // namespace

TEST_CASE("3 x 3 convolution agrees with the reference") {
  cases::conv3x3([](auto size, Index batch) { check(size, batch); });
  check(shape<3, 5, 48>, 3);
  check(shape<5, 3, 16>, 1);
  check(shape<1, 4, 18>, 2);
}

TEST_CASE("3 x 3 convolution has the same bits for every number of threads, and for an image in any batch") {
  check_threads([] { return run<Tested, float>(shape<3, 40, 33>, 5).y; });
  check_threads([] { return run<Tested, float>(shape<3, 40, 33>, 5).dx; });
  check_threads([] { return run<Tested, float>(shape<3, 40, 33>, 5).dweight; });
  auto first = run<Tested, float>(shape<3, 40, 33>, 5).y;
  first.resize(3 * 40 * 33);
  const auto x = random_values(3 * 40 * 33, 1);
  auto alone = poisoned<float>(3 * 40 * 33);
  Tested::conv3x3(shape<3, 40, 33>, 1, x, random_values(81, 2), random_values(3, 3), alone);
  CHECK(same_bits(alone, first));
}
