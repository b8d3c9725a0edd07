// exp, tanh, SiLU, GELU and their slopes on sixteen lanes, with the same bits on every instruction set and from every
// compiler (xsimd's exp and erf differ in their last bits between AVX2 and AVX-512). Each is a fixed chain of fused
// multiply-adds; the coefficients are minimax fits over the stated ranges. A NaN gives NaN.
//
// GELU needs no erf: with a = |x| and Q(a) = (1 - erf(a / sqrt(2))) / 2, the upper tail of the normal distribution,
//   x (1 + erf(x / sqrt(2))) / 2 = max(x, 0) - a Q(a),
// and 2 Q(a) is the eighth power of a polynomial (after Abramowitz and Stegun 7.1.28), which needs no exp either.
#pragma once

#include <tessera/backend/cpu/lanes.hpp>

namespace tessera::cpu_detail {

/// The polynomial first + x (second + x (...)), by Horner's rule.
template <class Arch, class... Rest>
[[gnu::always_inline]] inline Lanes<Arch> polynomial(const Lanes<Arch>& x, float first, Rest... rest) {
  if constexpr (sizeof...(rest) == 0) {
    return Lanes<Arch>::broadcast(first);
  } else {
    return fma(polynomial(x, rest...), x, Lanes<Arch>::broadcast(first));
  }
}

/// e^x within 1 ULP for -87 <= x <= 88; 0 below that range, e^88 above it.
template <class Arch>
[[gnu::always_inline]] inline Lanes<Arch> exp(const Lanes<Arch>& x) {
  using V = Lanes<Arch>;
  using Batch = typename V::Batch;
  const V clamped = min(V::broadcast(88.0F), x);
  // x = n ln 2 + r. Adding 1.5 * 2^23 rounds to an integer, which is then the low bits of the sum.
  const V magic = V::broadcast(12582912.0F);
  const V shifted = fma(clamped, V::broadcast(1.44269504F), magic);
  const V n = shifted - magic;
  const V r = fma(n, V::broadcast(1.43241618e-6F), fma(n, V::broadcast(-0.693148613F), clamped));
  const V e_r = polynomial(r, 1.0F, 1.0F, 0.49999994F, 0.166665196F, 0.0416684039F, 0.00836889911F, 0.00138142216F);
  return V::map(
      [](Batch argument, Batch bits_of_n, Batch value) __attribute__((always_inline)) {
        return Batch(xsimd::select(argument < Batch(-87.0F), Batch(0.0F), value * power_of_two(bits_of_n)));
      },
      x, shifted, e_r);
}

/// |x|.
template <class Arch>
[[gnu::always_inline]] inline Lanes<Arch> magnitude(const Lanes<Arch>& x) {
  using Batch = typename Lanes<Arch>::Batch;
  return Lanes<Arch>::map(
      [](Batch part) __attribute__((always_inline)) { return Batch(xsimd::abs(part)); }, x);
}

/// 1 / (1 + e^-x), relative error below 3e-7 for x >= -87; e^-88 at least.
template <class Arch>
[[gnu::always_inline]] inline Lanes<Arch> sigmoid(const Lanes<Arch>& x) {
  using V = Lanes<Arch>;
  const V one = V::broadcast(1.0F);
  return one / (one + exp(V::broadcast(0.0F) - x));
}

/// x sigmoid(x).
template <class Arch>
[[gnu::always_inline]] inline Lanes<Arch> silu(const Lanes<Arch>& x) {
  return x * sigmoid(x);
}

/// silu'(x) = s (1 + x (1 - s)), s = sigmoid(x), absolute error below 3e-7.
template <class Arch>
[[gnu::always_inline]] inline Lanes<Arch> silu_slope(const Lanes<Arch>& x) {
  using V = Lanes<Arch>;
  const V one = V::broadcast(1.0F);
  const V power = exp(V::broadcast(0.0F) - x);
  const V s = one / (one + power);
  const V rest = power * s;  // 1 - s, which would cancel
  return s * fma(x, rest, one);
}

/// tanh(x), relative error below 3e-7: 1 - 2 / (e^2|x| + 1) with x's sign, and below 0.625, where that would cancel,
/// the odd polynomial of Cephes' tanhf (Moshier 1989).
template <class Arch>
[[gnu::always_inline]] inline Lanes<Arch> tanh(const Lanes<Arch>& x) {
  using V = Lanes<Arch>;
  using Batch = typename V::Batch;
  const V one = V::broadcast(1.0F);
  const V a = magnitude(x);
  const V large = one - V::broadcast(2.0F) / (exp(a + a) + one);
  const V square = x * x;
  const V small = fma(
      x * square, polynomial(square, -0.333332819F, 0.133314422F, -0.0537397156F, 0.0206390888F, -0.00570498873F), x);
  return V::map(
      [](Batch argument, Batch size, Batch near_zero, Batch far) __attribute__((always_inline)) {
        const Batch with_sign = xsimd::select(argument < Batch(0.0F), -far, far);
        return Batch(xsimd::select(size < Batch(0.625F), near_zero, with_sign));
      },
      x, a, small, large);
}

/// |x|, at most 5.8: beyond it the tail is less than half an ULP of 1.
template <class Arch>
[[gnu::always_inline]] inline Lanes<Arch> tail_argument(const Lanes<Arch>& x) {
  return min(Lanes<Arch>::broadcast(5.8F), magnitude(x));
}

/// Q(a) = (1 - erf(a / sqrt(2))) / 2 for 0 <= a <= 5.8, absolute error below 2e-7 / max(1, a).
template <class Arch>
[[gnu::always_inline]] inline Lanes<Arch> normal_tail(const Lanes<Arch>& a) {
  using V = Lanes<Arch>;
  const V root = polynomial(a, 1.0F, -0.0997354761F, -0.0348159038F, -0.000736531394F, 0.00164450507F, 3.50047267e-5F,
                            -6.4901149e-5F, 8.01325496e-6F, -3.12419644e-7F);
  const V second = root * root;
  const V fourth = second * second;
  return V::broadcast(0.5F) * (fourth * fourth);
}

/// gelu(x) from a = tail_argument(x) and its tail.
template <class Arch>
[[gnu::always_inline]] inline Lanes<Arch> gelu(const Lanes<Arch>& x, const Lanes<Arch>& a, const Lanes<Arch>& tail) {
  const Lanes<Arch> zero = Lanes<Arch>::broadcast(0.0F);
  return fma(zero - a, tail, max(zero, x));
}

/// x (1 + erf(x / sqrt(2))) / 2, absolute error below 2e-7 max(1, |x|).
template <class Arch>
[[gnu::always_inline]] inline Lanes<Arch> gelu(const Lanes<Arch>& x) {
  const Lanes<Arch> a = tail_argument(x);
  return gelu(x, a, normal_tail(a));
}

template <class Arch>
struct GeluAndSlope {
  Lanes<Arch> value;
  Lanes<Arch> slope;
};

/// gelu(x), with the same bits, and its derivative Phi(x) + x phi(x), absolute error below 3e-7.
/// phi(x) = exp(-x^2 / 2) / sqrt(2 pi).
template <class Arch>
[[gnu::always_inline]] inline GeluAndSlope<Arch> gelu_and_slope(const Lanes<Arch>& x) {
  using V = Lanes<Arch>;
  using Batch = typename V::Batch;
  const V a = tail_argument(x);
  const V tail = normal_tail(a);
  const V density = V::broadcast(0.398942280F) * exp(a * a * V::broadcast(-0.5F));
  const V negative_side = fma(V::broadcast(0.0F) - a, density, tail);  // at -a; 1 minus it at a
  const V slope = V::map(
      [](Batch at, Batch value)
          __attribute__((always_inline)) { return Batch(xsimd::select(at > Batch(0.0F), Batch(1.0F) - value, value)); },
      x, negative_side);
  return {gelu(x, a, tail), slope};
}

}  // namespace tessera::cpu_detail
