// Stands in for the library's file of this name: its instructions, carried out by emulated threads.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include <emulated/device.hpp>
#include <tessera/backend/thrust/bfloat16.hpp>

namespace tessera::thrust_detail::ptx {

using testing::emulated::Block;

inline char* shared_memory() {
  return Block::current().shared();
}

inline void check_aligned(const void* address) {
  if (reinterpret_cast<std::uintptr_t>(address) % 16 != 0) testing::emulated::fail("16 bytes that are not aligned");
}

inline void carry_out(const testing::emulated::Copy& copy) {
  if (copy.from == nullptr) {
    std::memset(copy.to, 0, 16);
  } else {
    std::memcpy(copy.to, copy.from, 16);
  }
}
inline void copy_async(void* shared, const void* global, bool valid) {
  check_aligned(shared);
  if (valid) check_aligned(global);
  const testing::emulated::Copy copy{shared, valid ? global : nullptr};
  if (testing::emulated::other_schedule) {
    carry_out(copy);
  } else {
    Block::current().thread().copies.back().push_back(copy);
  }
}
inline void commit_copies() {
  Block::current().thread().copies.emplace_back();
}
template <int pending>
void wait_for_copies() {
  auto& groups = Block::current().thread().copies;
  while (groups.size() > pending + 1) {
    for (const auto& copy : groups.front()) carry_out(copy);
    groups.erase(groups.begin());
  }
}

inline uint4 load(const void* address) {
  check_aligned(address);
  uint4 words;
  std::memcpy(&words, address, sizeof words);
  return words;
}
inline void store(void* global, const std::uint32_t (&words)[4]) {
  check_aligned(global);
  std::memcpy(global, words, sizeof words);
}

inline std::uint32_t pack(float first, float second) {
  return static_cast<std::uint32_t>(bfloat16(second).bits) << 16 | bfloat16(first).bits;
}
inline std::array<float, 2> unpack(std::uint32_t both) {
  bfloat16 first, second;
  first.bits = static_cast<std::uint16_t>(both);
  second.bits = static_cast<std::uint16_t>(both >> 16);
  return {first, second};
}

template <bool transposed>
void load_four(std::uint32_t (&m)[4], const void* row) {
  check_aligned(row);
  const int lane = Block::current().thread().lane;
  const auto loaded = Block::current().exchange(row, [&](auto&& row_of) {
    std::array<std::uint32_t, 4> values;
    for (int i = 0; i < 4; ++i) {
      const auto value = [&](int r, int c) {
        return static_cast<const std::uint16_t*>(row_of(i * 8 + (transposed ? c : r)))[transposed ? r : c];
      };
      values[static_cast<std::size_t>(i)] =
          static_cast<std::uint32_t>(value(lane / 4, lane % 4 * 2 + 1)) << 16 | value(lane / 4, lane % 4 * 2);
    }
    return values;
  });
  for (int i = 0; i < 4; ++i) m[i] = loaded[static_cast<std::size_t>(i)];
}
inline void load_matrices(std::uint32_t (&m)[4], const void* row) {
  load_four<false>(m, row);
  __syncwarp();  // who goes on may overwrite what another lane has yet to read
}
inline void load_matrices_transposed(std::uint32_t (&m)[4], const void* row) {
  load_four<true>(m, row);
  __syncwarp();
}

inline void multiply_add(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  struct Fragments {
    std::uint32_t a[4], b[2];
  };
  const int lane = Block::current().thread().lane;
  const int g = lane / 4, t = lane % 4 * 2;
  Block::current().exchange(Fragments{{a[0], a[1], a[2], a[3]}, {b0, b1}}, [&](auto&& of) {
    for (int half = 0; half < 2; ++half) {  // row g or g + 8
      for (int c = 0; c < 2; ++c) {         // column t or t + 1
        for (int k = 0; k < 16; k += 2) {   // two values at a time
          const auto left = unpack(of(g * 4 + k % 8 / 2).a[half + k / 8 * 2]);
          const auto right = unpack(of((t + c) * 4 + k % 8 / 2).b[k / 8]);
          d[half * 2 + c] += left[0] * right[0] + left[1] * right[1];
        }
      }
    }
    return 0;
  });
}

inline float exp2(float x) {
  return std::exp2(x);
}

}  // namespace tessera::thrust_detail::ptx
