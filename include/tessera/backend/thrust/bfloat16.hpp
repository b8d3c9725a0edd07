// bfloat16, the upper half of a float32, as a number: arithmetic happens in float32, storing rounds to nearest even.
#pragma once

#include <cstdint>
#include <cstring>

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/host_device.hpp>

namespace tessera {

struct bfloat16 {
  std::uint16_t bits;

  bfloat16() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): stored and read like a float, so that kernels are written once
  TESSERA_HOST_DEVICE bfloat16(float value) {
#ifdef __CUDA_ARCH__
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
#else
    std::uint32_t whole;
    std::memcpy(&whole, &value, sizeof whole);
    const bool is_nan = (whole & 0x7fffffffU) > 0x7f800000U;
    const std::uint32_t rounded = whole + 0x7fffU + ((whole >> 16) & 1U);
    bits = static_cast<std::uint16_t>(is_nan ? 0x7fffU : rounded >> 16);  // the instruction's one NaN
#endif
  }
  // NOLINTNEXTLINE(google-explicit-constructor)
  TESSERA_HOST_DEVICE operator float() const {
    const std::uint32_t whole = static_cast<std::uint32_t>(bits) << 16;
    float value;
    std::memcpy(&value, &whole, sizeof value);
    return value;
  }
  TESSERA_HOST_DEVICE bfloat16& operator+=(float value) {
    return *this = static_cast<float>(*this) + value;
  }
};

template <>
struct WideOf<bfloat16> {
  using type = float;
};

}  // namespace tessera
