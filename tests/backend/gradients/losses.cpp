#include <cases/losses.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

TEST_CASE("straight_through: zq's value, z's gradient") {
  cases::losses([](Index size) {
    const auto z = gradients::random_values(size, 1);
    const auto zq = gradients::random_values(size, 2);
    const auto forward = [size]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> y = gradients::poisoned<T>(size);
      reference<T>::straight_through(in[0], in[1], y);
      return y;
    };
    const auto backward = [](const auto&, const Values<double>& dy, auto& d) {
      d[0] = dy;
      d[1].assign(dy.size(), 0.0);
    };
    CHECK(forward(reference<double>{}, {z, zq}) == zq);
    gradients::check_gradients({{"z", z, Writes::overwrites}, {"zq", zq, Writes::overwrites}}, forward, backward);
  });
}

TEST_CASE("quantizer_loss: the codebook follows one term, the encoder the other") {
  constexpr double codebook = 0.75;
  constexpr double commitment = 0.25;
  cases::losses([](Index size) {
    const auto forward = []<class T>(reference<T>, const std::vector<Values<T>>& in) {
      const auto loss = reference<T>::quantizer_loss(in[0], in[1]);
      return Values<T>{T(codebook) * loss.codebook + T(commitment) * loss.commitment};
    };
    const auto backward = [](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
      reference<double>::quantizer_loss_backward(in[0], in[1], codebook * dy[0], commitment * dy[0], d[0], d[1]);
    };
    gradients::check_gradients({{"z", gradients::random_values(size, 1), Writes::adds},
                                {"zq", gradients::random_values(size, 2), Writes::overwrites}},
                               forward, backward);
  });
}

TEST_CASE("squared_error: gradients") {
  cases::losses([](Index size) {
    const auto target = gradients::random_values(size, 2);
    const auto forward = [&]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      return Values<T>{reference<T>::squared_error(in[0], Values<T>(target.begin(), target.end()))};
    };
    const auto backward = [&](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
      reference<double>::squared_error_backward(in[0], target, dy[0], d[0]);
    };
    gradients::check_gradients({{"x", gradients::random_values(size, 1), Writes::overwrites}}, forward, backward);
  });
}

TEST_CASE("absolute_error: gradients, 0 where x is the target") {
  cases::losses([](Index size) {
    const auto x = gradients::random_values(size, 1);
    const auto target = gradients::random_values(size, 2);
    const auto forward = [&]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      return Values<T>{reference<T>::absolute_error(in[0], Values<T>(target.begin(), target.end()))};
    };
    const auto backward = [&](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
      reference<double>::absolute_error_backward(in[0], target, dy[0], d[0]);
    };
    gradients::check_gradients({{"x", x, Writes::overwrites}}, forward, backward);
    Values<double> dx = gradients::poisoned<double>(size);
    reference<double>::absolute_error_backward(x, x, 1, dx);
    CHECK(dx == Values<double>(x.size(), 0.0));
  });
}
