// IEEE 754 binary16 and bfloat16 as bit patterns. Integer arithmetic only, so the same bits on every machine.
#pragma once

#include <bit>
#include <cstdint>

namespace tessera {

/// The float32 nearest to `half`: exact, since every binary16 (subnormals, infinities and NaN payloads too) is one.
constexpr float half_to_float(std::uint16_t half) noexcept {
  const std::uint32_t sign = std::uint32_t{half & 0x8000u} << 16;
  const std::uint32_t exponent = (half >> 10) & 31u;
  const std::uint32_t mantissa = half & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  // Zero or subnormal: mantissa * 2^-24, exact in float32.
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

/// The binary16 nearest to `value`, ties to even; beyond 65520 infinity; NaN stays (a quiet) NaN.
constexpr std::uint16_t float_to_half(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x1ffu));
  if (magnitude >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // 65536 and more
  // `kept` is the result before rounding, `dropped` what lies below its last bit, in units of 2^-shift.
  std::uint32_t kept = 0, dropped = 0, shift = 13;
  if (magnitude >= 0x38800000u) {  // 2^-14: a normal binary16; a carry out of the mantissa moves up the exponent
    kept = (magnitude - 0x38000000u) >> 13;
    dropped = magnitude & 0x1fffu;
  } else {
    shift = 126 - (magnitude >> 23);  // subnormal: the value in units of 2^-24
    if (shift > 24) return static_cast<std::uint16_t>(sign);
    const std::uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    kept = mantissa >> shift;
    dropped = mantissa & ((1u << shift) - 1);
  }
  const std::uint32_t half_way = 1u << (shift - 1);
  if (dropped > half_way || (dropped == half_way && (kept & 1u) != 0)) ++kept;
  return static_cast<std::uint16_t>(sign | kept);
}

/// bfloat16 is the upper half of a float32.
constexpr float bfloat16_to_float(std::uint16_t bits) noexcept {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

}  // namespace tessera
