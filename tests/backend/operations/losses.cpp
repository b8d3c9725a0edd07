#include <tessera/backend/reference/losses.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/losses.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::LossesOps<double>;

template <class T>
struct Result {
  std::vector<double> sums;
  std::vector<T> y, dsquared, dabsolute, dz, dzq;
};

/// Every third pair of values is equal.
template <class Ops, class T>
Result<T> run(Index size) {
  const auto z = as<T>(random_values(size, 1));
  auto zq = as<T>(random_values(size, 2));
  for (std::size_t i = 0; i < z.size(); i += 3) zq[i] = z[i];
  Result<T> result{
      {}, poisoned<T>(size), poisoned<T>(size), poisoned<T>(size), as<T>(random_values(size, 3)), poisoned<T>(size)};
  auto positive = z;
  for (T& value : positive) value = std::fabs(value);
  const auto quantizer = Ops::quantizer_loss(z, zq);
  result.sums = {quantizer.codebook,         quantizer.commitment,   Ops::squared_error(z, zq),
                 Ops::absolute_error(z, zq), Ops::sum_of_squares(z), Ops::sum(positive)};
  Ops::straight_through(z, zq, result.y);
  Ops::squared_error_backward(z, zq, 0.7, result.dsquared);
  Ops::absolute_error_backward(z, zq, 0.7, result.dabsolute);
  Ops::quantizer_loss_backward(z, zq, 1.5, 0.25, result.dz, result.dzq);
  return result;
}

void check(Index size) {
  CAPTURE(size);
  const auto found = run<Tested, float>(size);
  const auto expected = run<Reference, double>(size);
  for (std::size_t i = 0; i < expected.sums.size(); ++i) {
    CHECK(found.sums[i] == doctest::Approx(expected.sums[i]).epsilon(3e-7));
  }
  CHECK(distance(found.y, expected.y) == 0.0);
  CHECK(distance(found.dsquared, expected.dsquared) < 1e-6);
  CHECK(distance(found.dabsolute, expected.dabsolute) < 1e-6);
  CHECK(distance(found.dz, expected.dz) < 1e-6);
  CHECK(distance(found.dzq, expected.dzq) < 1e-6);
}

}  // namespace

TEST_CASE("losses agree with the reference") {
  cases::losses([](Index size) { check(size); });
  check(65 * 1024 + 17);
  check(200'000);
}

TEST_CASE("losses have the same bits for every number of threads") {
  check_threads([] {
    std::vector<float> bits;  // every sum as the float above it and what that misses
    for (double sum : run<Tested, float>(200'000).sums) {
      bits.push_back(static_cast<float>(sum));
      bits.push_back(static_cast<float>(sum - static_cast<double>(bits.back())));
    }
    return bits;
  });
  check_threads([] { return run<Tested, float>(50'001).dz; });
}
