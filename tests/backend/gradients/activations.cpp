#include <cases/activations.hpp>
#include <cases/losses.hpp>
#include <gradient_check.hpp>

using namespace tessera;
using gradients::Values;
using gradients::Writes;

TEST_CASE("softmax: gradients") {
  cases::softmax([]<Index D>(Shape<D> sizes, Index rows) {
    const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> y = gradients::poisoned<T>(rows * D);
      reference<T>::softmax(sizes, rows, in[0], y);
      return y;
    };
    const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
      Values<double> y = forward(reference<double>{}, in);
      reference<double>::softmax_backward(sizes, rows, y, dy, d[0]);
    };
    gradients::check_gradients({{"x", gradients::random_values(rows * D, 1), Writes::overwrites}}, forward, backward);
  });
}

TEST_CASE("tanh: gradients") {
  cases::losses([](Index size) {
    const auto forward = [=]<class T>(reference<T>, const std::vector<Values<T>>& in) {
      Values<T> y = gradients::poisoned<T>(size);
      reference<T>::tanh(in[0], y);
      return y;
    };
    const auto backward = [=](const std::vector<Values<double>>& in, const Values<double>& dy, auto& d) {
      reference<double>::tanh_backward(forward(reference<double>{}, in), dy, d[0]);
    };
    gradients::check_gradients({{"x", gradients::random_values(size, 1), Writes::overwrites}}, forward, backward);
  });
}
