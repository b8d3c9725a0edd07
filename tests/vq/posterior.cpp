// Gradients of continuous latents: of a draw, and of the divergence from the unit Gaussian.
#include <nn/layer_check.hpp>

#include <tessera/vq/posterior.hpp>

using namespace tessera;
using gradients::read;
using gradients::Values;
using gradients::Writes;

namespace {

constexpr double kl_weight = 0.5;

/// y: the latents drawn, then the weighted sum of the divergences. Without noise, the latents are the means.
template <Index C>
void check_posterior(Index rows, bool with_noise) {
  using P = Posterior<C>;
  const Values<double> noise = gradients::random_values(with_noise ? rows * C : 0, 3);
  const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
    using B = reference<T>;
    typename P::template Saved<T> saved;
    const auto work = gradients::make_work<T>([&](auto& v) { saved.visit(v, rows); });
    P::template sample<B>(rows, read(in[0]), read(Values<T>(noise.begin(), noise.end())), saved);
    Values<T> y(saved.z.begin(), saved.z.end());
    y.push_back(T(kl_weight) * P::template kl<B>(rows, read(in[0]), saved));
    return y;
  };
  const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
    typename P::template Scratch<double> scratch;
    const auto work = gradients::make_work<double>([&](auto& v) { scratch.visit(v, rows); });
    P::template backward<reference<double>>(rows, read(in[0]), read(noise), first(read(dy), rows * C),
                                            kl_weight * dy.back(), scratch);
    std::ranges::copy(scratch.dparameters, d[0].begin());
  };
  auto parameters = gradients::random_values(rows * 2 * C, 1);
  if (rows > 1) parameters[static_cast<std::size_t>(C)] = 20.5;  // a log-variance that is clamped
  gradients::check_gradients({{"parameters", parameters, Writes::overwrites}}, forward, backward);
}

}  // namespace

TEST_CASE("Posterior: gradients") {
  check_posterior<1>(1, true);
  check_posterior<5>(3, true);
  check_posterior<18>(2, false);
}

TEST_CASE("Posterior: draws have the mean and the deviation that the parameters say") {
  using B = reference<double>;
  const Values<double> parameters{1, -2, std::log(4.0), std::log(0.25)};
  const Values<double> noise{1, 3};
  Posterior<2>::Saved<double> saved;
  const auto work = gradients::make_work<double>([&](auto& v) { saved.visit(v, 1); });
  Posterior<2>::sample<B>(1, read(parameters), read(noise), saved);
  CHECK(saved.z[0] == doctest::Approx(1 + 2 * 1));
  CHECK(saved.z[1] == doctest::Approx(-2 + 0.5 * 3));
  // (mean^2 + variance - 1 - log variance) / 2
  const double expected = (1 + 4 - 1 - std::log(4.0)) / 2 + (4 + 0.25 - 1 - std::log(0.25)) / 2;
  CHECK(Posterior<2>::kl<B>(1, read(parameters), saved) == doctest::Approx(expected));
}
