#include <cases/gaussian.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

// One output: z in a random direction, and the weighted sum of the divergences. Every third log-variance is clamped.
TEST_CASE("gaussian_sample and gaussian_kl: gradients") {
  constexpr double kl_weight = 0.75;
  cases::gaussian([]<Index C>(Shape<C> sizes, Index rows) {
    const auto direction = gradients::random_values(rows * C, 2);
    for (const bool with_noise : {false, true}) {
      CAPTURE(with_noise);
      const auto noise = gradients::random_values(with_noise ? rows * C : 0, 3);
      const auto forward = [&]<class T>(reference<T>, const std::vector<Values<T>>& in) {
        using B = reference<T>;
        Values<T> z = gradients::poisoned<T>(rows * C);
        Values<T> kl = gradients::poisoned<T>(rows);
        B::gaussian_sample(sizes, rows, in[0], Values<T>(noise.begin(), noise.end()), z);
        B::gaussian_kl(sizes, rows, in[0], kl);
        T loss{};
        for (std::size_t i = 0; i < z.size(); ++i) loss += z[i] * T(direction[i]);
        for (const T& divergence : kl) loss += T(kl_weight) * divergence;
        return Values<T>{loss};
      };
      const auto backward = [&](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
        Values<double> dz = direction;
        for (double& slope : dz) slope *= dy[0];
        reference<double>::gaussian_backward(sizes, rows, in[0], noise, dz, kl_weight * dy[0], d[0]);
      };
      auto parameters = gradients::random_values(rows * 2 * C, 1);
      for (Index i = 0; i < rows * C; i += 3) parameters[i / C * 2 * C + C + i % C] = i % 2 == 0 ? -31 : 20.5;
      gradients::check_gradients({{"parameters", parameters, Writes::overwrites}}, forward, backward);
    }
  });
}
