// A number that carries its own derivative: forward-mode differentiation (Wengert 1964). Run any forward pass in Dual
// with one input's slope set to 1, and every output's slope is its exact derivative by that input; no step to tune.
#pragma once

#include <cmath>
#include <concepts>
#include <numbers>

namespace tessera {

/// value + slope * e with e * e = 0. Compared by value alone, so branches go where plain numbers would go.
struct Dual {
  double value = 0;
  double slope = 0;

  constexpr Dual() = default;
  /// Plain numbers are constants: they convert without a word.
  constexpr Dual(double v, double s = 0) : value(v), slope(s) {}
  template <std::floating_point F>
  constexpr explicit operator F() const {
    return static_cast<F>(value);
  }

  constexpr Dual& operator+=(Dual b) { return *this = *this + b; }
  constexpr Dual& operator-=(Dual b) { return *this = *this - b; }
  constexpr Dual& operator*=(Dual b) { return *this = *this * b; }
  constexpr Dual& operator/=(Dual b) { return *this = *this / b; }

  friend constexpr Dual operator-(Dual a) { return {-a.value, -a.slope}; }
  friend constexpr Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.slope + b.slope}; }
  friend constexpr Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.slope - b.slope}; }
  friend constexpr Dual operator*(Dual a, Dual b) { return {a.value * b.value, a.slope * b.value + a.value * b.slope}; }
  friend constexpr Dual operator/(Dual a, Dual b) {
    const double quotient = a.value / b.value;
    return {quotient, (a.slope - quotient * b.slope) / b.value};
  }

  friend constexpr bool operator==(Dual a, Dual b) { return a.value == b.value; }
  friend constexpr auto operator<=>(Dual a, Dual b) { return a.value <=> b.value; }
};

// Found by argument-dependent lookup beside `using std::sqrt;`.
inline Dual sqrt(Dual x) {
  const double root = std::sqrt(x.value);
  return {root, x.slope / (2 * root)};
}
inline Dual exp(Dual x) {
  const double power = std::exp(x.value);
  return {power, x.slope * power};
}
inline Dual log(Dual x) {
  return {std::log(x.value), x.slope / x.value};
}
inline Dual tanh(Dual x) {
  const double value = std::tanh(x.value);
  return {value, x.slope * (1 - value * value)};
}
/// d erf(x) / dx = 2 / sqrt(pi) * exp(-x^2).
inline Dual erf(Dual x) {
  return {std::erf(x.value), x.slope * 2 * std::numbers::inv_sqrtpi * std::exp(-x.value * x.value)};
}
inline Dual fabs(Dual x) {
  return x.value < 0 ? -x : x;
}

/// Stop-gradient, sg(x): the value as a constant.
template <std::floating_point F>
constexpr F detach(F x) {
  return x;
}
constexpr Dual detach(Dual x) {
  return {x.value};
}

}  // namespace tessera
