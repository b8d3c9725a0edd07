// The few names that everything else is written in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tessera {

using Index = std::ptrdiff_t;  ///< sizes, offsets and loop counters
using Token = std::int32_t;    ///< one discrete token id, 0 <= id < Config::codebook_size

/// A contiguous buffer that somebody else owns; its shape stands in a comment at the declaration.
template <class T>
using View = std::span<T>;

/// Sizes as a value, so that `backend::linear(shape<768, 3072>, ...)` needs no `template` keyword.
template <Index... sizes>
struct Shape {};
template <Index... sizes>
inline constexpr Shape<sizes...> shape{};

/// a / b, rounded up, for a >= 0 and b > 0.
constexpr Index ceil_div(Index a, Index b) {
  return (a + b - 1) / b;
}

/// Every buffer starts at, and every vector kernel may assume, this alignment in bytes.
inline constexpr std::size_t alignment = 64;

}  // namespace tessera
