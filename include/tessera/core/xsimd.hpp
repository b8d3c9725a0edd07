// xsimd, and every difference between the versions that we support (8.1 in Debian 12 to upstream's newest).
#pragma once

#include <cstdint>
#include <type_traits>

// g++ 12 warns about its own AVX-512 header when it inlines max and min from there (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <xsimd/xsimd.hpp>
#pragma GCC diagnostic pop
#else
#include <xsimd/xsimd.hpp>
#endif

#ifdef __FAST_MATH__
#error "tessera needs -fno-fast-math: float32 results are exact, and -ffast-math changes them."
#endif

namespace tessera {

#if defined(__AVX512F__)
/// a * b + c with one rounding. xsimd 8.1 has no such operation for AVX-512: its generic one rounds twice.
template <class Arch>
requires(xsimd::batch<float, Arch>::size == 16)
    [[gnu::always_inline]] inline xsimd::batch<float, Arch> fused(xsimd::batch<float, Arch> a,
                                                                  xsimd::batch<float, Arch> b,
                                                                  xsimd::batch<float, Arch> c) {
  return xsimd::batch<float, Arch>(_mm512_fmadd_ps(a, b, c));
}
#endif

/// a * b + c with one rounding.
template <class Arch>
requires(xsimd::batch<float, Arch>::size < 16)
    [[gnu::always_inline]] inline xsimd::batch<float, Arch> fused(xsimd::batch<float, Arch> a,
                                                                  xsimd::batch<float, Arch> b,
                                                                  xsimd::batch<float, Arch> c) {
  return xsimd::fma(a, b, c);
}

/// a / b and the square root, rounded to nearest. xsimd's versions for NEON refine an estimate and miss the last bit.
template <class Arch>
[[gnu::always_inline]] inline xsimd::batch<float, Arch> quotient(xsimd::batch<float, Arch> a,
                                                                 xsimd::batch<float, Arch> b) {
#if defined(__aarch64__)
  if constexpr (std::is_base_of_v<xsimd::neon, Arch>) return xsimd::batch<float, Arch>(vdivq_f32(a, b));
#endif
  return a / b;
}
template <class Arch>
[[gnu::always_inline]] inline xsimd::batch<float, Arch> square_root(xsimd::batch<float, Arch> a) {
#if defined(__aarch64__)
  if constexpr (std::is_base_of_v<xsimd::neon, Arch>) return xsimd::batch<float, Arch>(vsqrtq_f32(a));
#endif
  return xsimd::sqrt(a);
}

/// Whether `fused` is one instruction of Arch; elsewhere it would round twice and give other tokens.
template <class Arch>
inline constexpr bool has_fused_multiply_add =
#if defined(__FMA__) || defined(__aarch64__)
    xsimd::batch<float, Arch>::size >= 8 || std::is_base_of_v<xsimd::neon, Arch>;
#else
    false;
#endif

/// 2^n, where `shifted` = 1.5 * 2^23 + n and -126 <= n <= 127: the low bits of such a float are n.
template <class Arch>
[[gnu::always_inline]] inline xsimd::batch<float, Arch> power_of_two(xsimd::batch<float, Arch> shifted) {
  using Bits = xsimd::batch<std::int32_t, Arch>;
#if XSIMD_VERSION_MAJOR >= 9
  const Bits n = xsimd::bitwise_cast<std::int32_t>(shifted);
  return xsimd::bitwise_cast<float>(Bits((n << 23) + Bits(0x3f800000)));
#else
  const Bits n = xsimd::bitwise_cast<Bits>(shifted);
  return xsimd::bitwise_cast<xsimd::batch<float, Arch> >(Bits((n << 23) + Bits(0x3f800000)));
#endif
}

/// The larger and the smaller value; NaN where b is NaN. xsimd 14 swapped the operands of the x86 instructions, which
/// return their second one when either is NaN.
template <class Arch>
[[gnu::always_inline]] inline xsimd::batch<float, Arch> larger(xsimd::batch<float, Arch> a,
                                                               xsimd::batch<float, Arch> b) {
  return XSIMD_VERSION_MAJOR < 14 ? xsimd::max(a, b) : xsimd::max(b, a);
}
template <class Arch>
[[gnu::always_inline]] inline xsimd::batch<float, Arch> smaller(xsimd::batch<float, Arch> a,
                                                                xsimd::batch<float, Arch> b) {
  return XSIMD_VERSION_MAJOR < 14 ? xsimd::min(a, b) : xsimd::min(b, a);
}

}  // namespace tessera
