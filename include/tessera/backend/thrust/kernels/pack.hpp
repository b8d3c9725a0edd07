// How kernels move values: sixteen bytes an instruction where rows are made of such packs, one value otherwise.
// Arithmetic is float32's.
#pragma once

#include <cstdint>
#include <cstring>

#include <tessera/backend/thrust/bfloat16.hpp>
#include <tessera/backend/thrust/kernels/ptx.hpp>

namespace tessera::thrust_detail {

/// Values that are moved at once, of rows of `columns` values of S, the first of which starts at a multiple of 16
/// bytes.
template <class S, Index columns>
inline constexpr int pack_size = columns * sizeof(S) % 16 == 0 ? static_cast<int>(16 / sizeof(S)) : 1;

template <class S, int pack_size>
__device__ void load_pack(const S* from, float (&to)[pack_size]) {
  S values[pack_size];
  if constexpr (pack_size == 1) {
    values[0] = *from;
  } else {
    static_assert(sizeof values == sizeof(uint4));
    const uint4 words = ptx::load(from);
    std::memcpy(values, &words, sizeof words);
  }
  for (int i = 0; i < pack_size; ++i) to[i] = values[i];
}

__device__ inline void store_pack(const float (&from)[4], float* to) {
  std::uint32_t words[4];
  std::memcpy(words, from, sizeof words);
  ptx::store(to, words);
}
__device__ inline void store_pack(const float (&from)[8], bfloat16* to) {
  ptx::store(to, {ptx::pack(from[0], from[1]), ptx::pack(from[2], from[3]), ptx::pack(from[4], from[5]),
                  ptx::pack(from[6], from[7])});
}
template <class S>
__device__ void store_pack(const float (&from)[1], S* to) {
  *to = from[0];
}

/// Sixteen bytes as they are.
template <class S>
__device__ void copy_pack(const S* from, S* to) {
  const uint4 words = ptx::load(from);
  ptx::store(to, {words.x, words.y, words.z, words.w});
}

}  // namespace tessera::thrust_detail
