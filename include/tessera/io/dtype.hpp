// Element types of stored arrays, and sizes that cannot overflow.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include <tessera/core/types.hpp>

namespace tessera {

static_assert(std::endian::native == std::endian::little, "tessera reads and writes little-endian files in place.");

enum class DType { boolean, u8, i8, u16, i16, f16, bf16, u32, i32, f32, u64, i64, f64 };

namespace detail {

struct DTypeNames {
  DType dtype;
  Index bytes;
  std::string_view safetensors;
  std::string_view npy;  ///< empty: NumPy has no such type
};

/// In the order of the enumeration.
inline constexpr std::array<DTypeNames, 13> dtype_names{{{DType::boolean, 1, "BOOL", "|b1"},
                                                         {DType::u8, 1, "U8", "|u1"},
                                                         {DType::i8, 1, "I8", "|i1"},
                                                         {DType::u16, 2, "U16", "<u2"},
                                                         {DType::i16, 2, "I16", "<i2"},
                                                         {DType::f16, 2, "F16", "<f2"},
                                                         {DType::bf16, 2, "BF16", ""},
                                                         {DType::u32, 4, "U32", "<u4"},
                                                         {DType::i32, 4, "I32", "<i4"},
                                                         {DType::f32, 4, "F32", "<f4"},
                                                         {DType::u64, 8, "U64", "<u8"},
                                                         {DType::i64, 8, "I64", "<i8"},
                                                         {DType::f64, 8, "F64", "<f8"}}};

}  // namespace detail

/// Bytes of one element.
constexpr Index byte_size(DType dtype) {
  return detail::dtype_names[static_cast<std::size_t>(dtype)].bytes;
}

/// The name that safetensors files use, which is also the one in our error lines: "F32".
constexpr std::string_view name_of(DType dtype) {
  return detail::dtype_names[static_cast<std::size_t>(dtype)].safetensors;
}

/// The element type of a C++ type that arrays are written from and read as.
template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, std::uint8_t>)
    return DType::u8;
  else if constexpr (std::is_same_v<T, std::int8_t>)
    return DType::i8;
  else if constexpr (std::is_same_v<T, std::uint16_t>)
    return DType::u16;
  else if constexpr (std::is_same_v<T, std::int16_t>)
    return DType::i16;
  else if constexpr (std::is_same_v<T, std::uint32_t>)
    return DType::u32;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return DType::i32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return DType::i64;
  else if constexpr (std::is_same_v<T, std::uint64_t>)
    return DType::u64;
  else if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else {
    static_assert(std::is_same_v<T, double>, "dtype_of: use an integer type of 8 to 64 bits, float or double.");
    return DType::f64;
  }
}

/// Bytes of an array, or nothing if a size is negative or the product of the sizes overflows.
inline std::optional<Index> byte_count(View<const Index> shape, DType dtype) {
  Index bytes = byte_size(dtype);
  for (const Index size : shape) {
    if (size < 0 || __builtin_mul_overflow(bytes, size, &bytes)) return std::nullopt;
  }
  return bytes;
}

/// "[3, 224, 224]", for error lines; of more than 8 sizes the first ones and how many there are.
inline std::string to_string(View<const Index> shape) {
  constexpr std::size_t most = 8;
  std::string text = "[";
  for (const Index size : shape.first(std::min(shape.size(), most))) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(size);
  }
  if (shape.size() > most) text += ", ... " + std::to_string(shape.size()) + " sizes";
  return text + "]";
}

}  // namespace tessera
