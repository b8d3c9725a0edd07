#include <tessera/backend/reference/gaussian.hpp>

#include <backend/compare.hpp>
#include <backend/tested.hpp>
#include <cases/gaussian.hpp>

using namespace tessera;
using namespace tessera::testing;

namespace {

using Reference = reference_detail::GaussianOps<double>;

template <class T>
struct Result {
  std::vector<T> z, kl, dparameters;
};

/// Some log-variances are clamped below. Above, e^20 would hide every other number: see the test of the clamp.
template <class Ops, class T, Index C>
Result<T> run(Shape<C> size, Index rows, bool with_noise) {
  auto parameters = as<T>(random_values(rows * 2 * C, 1));
  for (Index i = 0; i < rows * C; i += 3) parameters[i / C * 2 * C + C + i % C] = T(-31);
  const auto noise = as<T>(random_values(with_noise ? rows * C : 0, 2));
  const auto dz = as<T>(random_values(rows * C, 3));
  Result<T> result{poisoned<T>(rows * C), poisoned<T>(rows), poisoned<T>(rows * 2 * C)};
  Ops::gaussian_sample(size, rows, parameters, noise, result.z);
  Ops::gaussian_kl(size, rows, parameters, result.kl);
  Ops::gaussian_backward(size, rows, parameters, noise, dz, 0.7, result.dparameters);
  return result;
}

}  // namespace

TEST_CASE("Gaussians agree with the reference") {
  const auto check = []<Index C>(Shape<C> size, Index rows) {
    for (const bool with_noise : {false, true}) {
      CAPTURE(C);
      CAPTURE(with_noise);
      const auto found = run<Tested, float>(size, rows, with_noise);
      const auto expected = run<Reference, double>(size, rows, with_noise);
      CHECK(distance(found.z, expected.z) < 1e-6);
      CHECK(distance(found.kl, expected.kl) < 1e-6);
      CHECK(distance(found.dparameters, expected.dparameters) < 1e-6);
    }
  };
  cases::gaussian(check);
  check(shape<64>, 5);
}

TEST_CASE("Gaussians: the log-variance is clamped to [-30, 20], and has no slope outside") {
  const std::vector<float> parameters{0.0F, 0.0F, 0.0F, 0.0F, 25.0F, -40.0F, 20.0F, -30.0F};
  const std::vector<float> ones(4, 1.0F);
  auto z = poisoned<float>(4);
  auto kl = poisoned<float>(1);
  auto dparameters = poisoned<float>(8);
  Tested::gaussian_sample(shape<4>, 1, parameters, ones, z);
  Tested::gaussian_kl(shape<4>, 1, parameters, kl);
  Tested::gaussian_backward(shape<4>, 1, parameters, ones, ones, 2.0, dparameters);
  for (const std::size_t i : {0, 2}) CHECK(z[i] == doctest::Approx(std::exp(10.0)));
  for (const std::size_t i : {1, 3}) CHECK(z[i] == doctest::Approx(std::exp(-15.0)));
  CHECK(kl[0] == doctest::Approx(std::exp(20.0)));
  CHECK(dparameters[4] == 0.0F);
  CHECK(dparameters[5] == 0.0F);
  CHECK(dparameters[6] == doctest::Approx(std::exp(20.0) + std::exp(10.0) / 2));
  CHECK(dparameters[7] == doctest::Approx(-1.0));
}

TEST_CASE("Gaussians have the same bits for every number of threads") {
  check_threads([] { return run<Tested, float>(shape<20>, 2000, true).z; });
  check_threads([] { return run<Tested, float>(shape<20>, 2000, true).kl; });
  check_threads([] { return run<Tested, float>(shape<20>, 2000, true).dparameters; });
}
