#include <tessera/backend/reference/activations.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/activations.hpp>
#include <cases/losses.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::ActivationsOps<double>;

template <class T>
struct Result {
  std::vector<T> y, dx;
};

/// Rows of very different magnitude: the largest value must not overflow.
template <class Ops, class T, Index D>
Result<T> run_softmax(Shape<D> size, Index rows) {
  auto x = as<T>(random_values(rows * D, 1));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= i / D % 2 == 1 ? T(100) : T(1);
  Result<T> result{poisoned<T>(rows * D), poisoned<T>(rows * D)};
  Ops::softmax(size, rows, x, result.y);
  Ops::softmax_backward(size, rows, result.y, as<T>(random_values(rows * D, 2)), result.dx);
  return result;
}

template <class Ops, class T>
Result<T> run_tanh(Index size) {
  Result<T> result{poisoned<T>(size), poisoned<T>(size)};
  Ops::tanh(as<T>(random_values(size, 1)), result.y);
  Ops::tanh_backward(result.y, as<T>(random_values(size, 2)), result.dx);
  return result;
}

template <Index D>
void check(Shape<D> size, Index rows) {
  CAPTURE(D);
  const auto found = run_softmax<Tested, float>(size, rows);
  const auto expected = run_softmax<Reference, double>(size, rows);
  CHECK(distance(found.y, expected.y) < 1e-6);
  for (Index r = 0; r < rows; ++r) {
    double sum = 0;
    for (Index i = 0; i < D; ++i) sum += static_cast<double>(found.y[static_cast<std::size_t>(r * D + i)]);
    CHECK(sum == doctest::Approx(1.0).epsilon(1e-6));
  }
  // The only value of a row of one has no slope.
  for (std::size_t i = 0; i < found.dx.size(); ++i) {
    CHECK(static_cast<double>(found.dx[i]) == doctest::Approx(expected.dx[i]).epsilon(1e-5));
  }
}

}  // namespace

TEST_CASE("softmax agrees with the reference") {
  cases::softmax([](auto size, Index rows) { check(size, rows); });
  check(shape<1024>, 5);
}

TEST_CASE("tanh agrees with the reference") {
  const auto check_size = [](Index size) {
    const auto found = run_tanh<Tested, float>(size);
    const auto expected = run_tanh<Reference, double>(size);
    CHECK(distance(found.y, expected.y) < 5e-7);
    CHECK(distance(found.dx, expected.dx) < 2e-6);
  };
  cases::losses(check_size);
  check_size(20'000);
}

TEST_CASE("softmax and tanh in place") {
  auto y = random_values(3 * 100, 1);
  auto dx = random_values(3 * 100, 2);
  auto apart = poisoned<float>(3 * 100);
  auto slope = poisoned<float>(3 * 100);
  Tested::softmax(shape<100>, 3, y, apart);
  Tested::softmax(shape<100>, 3, y, y);
  CHECK(same_bits(y, apart));
  Tested::softmax_backward(shape<100>, 3, y, dx, slope);
  Tested::softmax_backward(shape<100>, 3, y, dx, dx);
  CHECK(same_bits(dx, slope));
  Tested::tanh(y, apart);
  Tested::tanh(y, y);
  CHECK(same_bits(y, apart));
  Tested::tanh_backward(y, dx, slope);
  Tested::tanh_backward(y, dx, dx);
  CHECK(same_bits(dx, slope));
}

TEST_CASE("softmax and tanh have the same bits for every number of threads") {
  check_threads([] { return run_softmax<Tested, float>(shape<100>, 300).dx; });
  check_threads([] { return run_tanh<Tested, float>(50'001).dx; });
}
