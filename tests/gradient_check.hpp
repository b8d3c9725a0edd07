// A backward pass against the exact slopes of its forward pass.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <tessera/backend/reference/reference.hpp>

namespace tessera::gradients {

template <class T>
using Values = std::vector<T>;

/// `size` values, uniform in [-1, 1).
inline Values<double> random_values(Index size, unsigned seed) {
  std::mt19937 bits(seed);
  Values<double> values(static_cast<std::size_t>(size));
  for (double& value : values) value = bits() / 2147483648.0 - 1;
  return values;
}

/// `size` values that nobody may read before writing them.
template <class T>
Values<T> poisoned(Index size) {
  return Values<T>(static_cast<std::size_t>(size), T(std::numeric_limits<double>::quiet_NaN()));
}

enum class Writes { overwrites, adds };

/// One input of the forward pass, and what the backward pass does to its gradient.
struct Input {
  std::string name;
  Values<double> values;
  Writes gradient;
};

/// Indices of at most `most` elements, all if there are no more, else spread evenly.
inline std::vector<std::size_t> sample(std::size_t size, std::size_t most = 60) {
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < std::min(size, most); ++i) chosen.push_back(size <= most ? i : i * size / most);
  return chosen;
}

/// Sum of y's slopes times dy, with the inputs' slopes as they are.
template <class Forward>
double directional_slope(Forward&& forward, const std::vector<Values<Dual>>& inputs, const Values<double>& dy) {
  const Values<Dual> y = forward(reference<Dual>{}, inputs);
  double slope = 0;
  for (std::size_t j = 0; j < y.size(); ++j) slope += y[j].slope * dy[j];
  return slope;
}

/// Compares one input's gradient with slopes: a sample of its elements alone, then all of them in a random direction.
template <class Forward>
void check_input(Forward&& forward, std::vector<Values<Dual>> inputs, std::size_t k, const Values<double>& dy,
                 const Values<double>& gradient) {
  double largest = 0;
  double worst = 0;
  const auto compare = [&](double expected, double found) {
    const double error = std::fabs(found - expected);
    worst = std::max(worst, std::isnan(error) ? std::numeric_limits<double>::infinity() : error);
    largest = std::max(largest, std::fabs(expected));
  };
  for (const std::size_t i : sample(gradient.size())) {
    inputs[k][i].slope = 1;
    compare(directional_slope(forward, inputs, dy), gradient[i]);
    inputs[k][i].slope = 0;
  }
  const auto direction = random_values(static_cast<Index>(gradient.size()), 79);
  double along = 0;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    inputs[k][i].slope = direction[i];
    along += gradient[i] * direction[i];
  }
  compare(directional_slope(forward, inputs, dy), along);
  CHECK(worst < 1e-6 * (largest > 0 ? largest : 1));
}

/// Fails unless |gradient - slope| < 1e-6 of the largest slope, for each input.
///   forward(reference<T>, const std::vector<Values<T>>& inputs) -> Values<T>, every output in one vector
///   backward(const std::vector<Values<double>>& inputs, const Values<double>& dy, std::vector<Values<double>>&
///   gradients)
/// Gradients that are overwritten start as NaN, gradients that are added to start at random.
template <class Forward, class Backward>
void check_gradients(const std::vector<Input>& inputs, Forward&& forward, Backward&& backward) {
  std::vector<Values<double>> values;
  std::vector<Values<Dual>> duals;
  std::vector<Values<double>> starts;
  for (const Input& input : inputs) {
    const Index size = static_cast<Index>(input.values.size());
    values.push_back(input.values);
    duals.emplace_back(input.values.begin(), input.values.end());
    starts.push_back(input.gradient == Writes::adds ? random_values(size, 77) : poisoned<double>(size));
  }
  const auto dy = random_values(static_cast<Index>(forward(reference<double>{}, values).size()), 78);
  std::vector<Values<double>> gradients = starts;
  backward(values, dy, gradients);

  for (std::size_t k = 0; k < inputs.size(); ++k) {
    CAPTURE(inputs[k].name);
    if (inputs[k].gradient == Writes::adds) {
      for (std::size_t i = 0; i < starts[k].size(); ++i) gradients[k][i] -= starts[k][i];
    }
    check_input(forward, duals, k, dy, gradients[k]);
  }
}

}  // namespace tessera::gradients
