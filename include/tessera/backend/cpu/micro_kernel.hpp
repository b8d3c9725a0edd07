// The one register-tile kernel under every matrix product and under attention: C[i, j] (+)= sum over k of A(i, k) B(k,
// j). C stays in registers while k runs: each of its elements is one chain of fused multiply-adds over k in ascending
// order, and lanes run over j alone. So the bits depend neither on the instruction set, nor on how the caller cuts i
// and j into tiles, nor on how it cuts k into blocks (a float that is stored and loaded again is the same float).
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <tessera/backend/cpu/lanes.hpp>

namespace tessera::cpu_detail {

/// The tile's shape: sums fill most registers, so that 2 fused multiply-adds a cycle of latency 4 never wait, and the
/// tile is wide, because a step loads `rows` broadcasts and `columns` / 16 vectors, and loads and address arithmetic
/// are what slows it down. AVX-512 6 x 64 = 24 of 32 registers (from L1 94 % of the peak; 12 x 32 82 to 90 %), AVX2
/// 6 x 16 = 12 of 16, NEON 6 x 16 = 24 of 32.
template <class Arch>
inline constexpr Index tile_rows = 6;
template <class Arch>
inline constexpr Index tile_columns = Lanes<Arch>::parts == 1 ? 4 * lanes : lanes;

/// Rows of a tile that is only `groups` x 16 columns wide: more of them, up to 12, so that it is as many sums.
template <class Arch>
constexpr Index narrow_tile_rows(Index groups) {
  return std::min<Index>(tile_rows<Arch> * tile_columns<Arch> / lanes / groups, 12);
}

/// What stands left of the product: A(i, k) = data[i * row_stride + k * k_stride].
struct LeftOperand {
  const float* data;
  Index row_stride;
  Index k_stride;
};

/// Where A lies in pieces: after `first` values of k, and again after every `period` more, its data moves on by
/// `distance`.
struct Jump {
  Index first = std::numeric_limits<Index>::max();
  Index period = 0;
  Index distance = 0;
};

/// What stands right of it: B(k, j) = data[k * k_stride + j]. A packed panel, or rows that are read where they lie.
struct RightOperand {
  const float* data;
  Index k_stride;
};

/// Memory that will be needed soon: `lines` cache lines from `data` on come into L2 in every 32 steps of a tile, and a
/// tile that will be written, its row i at output + i * output_stride, into L1.
struct Prefetch {
  const float* data = nullptr;
  Index lines = 0;
  const float* output = nullptr;
  Index output_stride = 0;
};

inline constexpr Index prefetch_steps = 32;  // 16 lines in 384 cycles are what memory delivers to one core
inline constexpr Index line = 16;            // floats of a cache line

/// Asks for a tile [rows, columns], row i at data + i * stride, to come into L1.
[[gnu::always_inline]] inline void fetch_tile(const float* data, Index stride, Index rows, Index columns) {
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; j += line) __builtin_prefetch(data + i * stride + j, 1);
  }
}

/// Calls f(0), f(1), ... f(count - 1) with compile-time constants: registers have no index.
template <Index count, class F>
[[gnu::always_inline]] inline void unroll(F&& f) {
  [&]<std::size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
    (f(std::integral_constant<std::size_t, i>{}), ...);
  }
  (std::make_index_sequence<static_cast<std::size_t>(count)>{});
}

/// What the sums start with: row i at data + i * stride. C itself, or one row (stride 0) for all rows.
struct TileStart {
  const float* data;
  Index stride;
};

alignas(alignment) inline constexpr float zero_row[4 * lanes] = {};

/// C [rows, 16 * groups], row i at c + i * c_stride, = start + A B over k in [0, depth), in this order.
template <class Arch, Index rows, Index groups>
[[gnu::noinline]] void multiply_tile(Index depth, LeftOperand a, RightOperand b, TileStart start, float* c,
                                     Index c_stride, Prefetch prefetch, Jump jump) {
  static_assert(
      groups >= 1 && groups * lanes <= tile_columns<Arch> && rows >= 1 && rows <= narrow_tile_rows<Arch>(groups),
      "multiply_tile: more sums than registers; use at most tile_rows x tile_columns.");
  using Batch = xsimd::batch<float, Arch>;
  constexpr Index width = static_cast<Index>(Batch::size);
  constexpr Index vectors = groups * lanes / width;
  // base + {0, 1, 2} * stride is one x86 address, so a pointer for every third row is enough.
  constexpr Index rows_per_pointer = 3;
  constexpr Index pointers = ceil_div(rows, rows_per_pointer);

  Batch sum[rows][vectors];
  unroll<rows>([&](auto i) __attribute__((always_inline)) {
    unroll<vectors>([&](auto v) __attribute__((always_inline)) {
      sum[i][v] =
          Batch::load_unaligned(start.data + static_cast<Index>(i) * start.stride + static_cast<Index>(v) * width);
    });
  });

  if (prefetch.output != nullptr) fetch_tile(prefetch.output, prefetch.output_stride, rows, groups * lanes);

  const float* row[pointers];
  unroll<pointers>([&](auto p) __attribute__((always_inline)) {
    row[p] = a.data + static_cast<Index>(p) * rows_per_pointer * a.row_stride;
  });
  for (Index k = 0; k < depth;) {
    for (Index i = 0; i < prefetch.lines; ++i) __builtin_prefetch(prefetch.data + i * line, 0, 2);
    prefetch.data += prefetch.lines * line;
    // Not unrolled: these 45 instructions run from the loop buffer, four times as many were 5 % slower.
    for (const Index end = std::min({k + prefetch_steps, depth, jump.first}); k < end; ++k) {
      Batch right[vectors];
      unroll<vectors>([&](auto v) __attribute__((always_inline)) {
        right[v] = Batch::load_unaligned(b.data + static_cast<Index>(v) * width);
      });
      unroll<rows>([&](auto i) __attribute__((always_inline)) {
        const Batch left(row[i / rows_per_pointer][static_cast<Index>(i % rows_per_pointer) * a.row_stride]);
        unroll<vectors>([&](auto v) __attribute__((always_inline)) { sum[i][v] = fused(left, right[v], sum[i][v]); });
      });
      unroll<pointers>([&](auto p) __attribute__((always_inline)) { row[p] += a.k_stride; });
      b.data += b.k_stride;
    }
    if (k == jump.first) {
      unroll<pointers>([&](auto p) __attribute__((always_inline)) { row[p] += jump.distance; });
      jump.first += jump.period;
    }
  }

  unroll<rows>([&](auto i) __attribute__((always_inline)) {
    unroll<vectors>([&](auto v) __attribute__((always_inline)) {
      sum[i][v].store_unaligned(c + static_cast<Index>(i) * c_stride + static_cast<Index>(v) * width);
    });
  });
}

template <class Arch>
using TileKernel = void (*)(Index, LeftOperand, RightOperand, TileStart, float*, Index, Prefetch, Jump);

/// multiply_tile for groups x 16 columns; [rows - 1].
template <class Arch, Index groups>
inline constexpr auto tile_kernels = []<std::size_t... i>(std::index_sequence<i...>) {
  return std::array<TileKernel<Arch>, sizeof...(i)>{&multiply_tile<Arch, static_cast<Index>(i) + 1, groups>...};
}
(std::make_index_sequence<static_cast<std::size_t>(narrow_tile_rows<Arch>(groups))>{});

template <class Arch>
TileKernel<Arch> tile_kernel(Index rows, Index groups) {
  constexpr std::size_t max_groups = static_cast<std::size_t>(tile_columns<Arch> / lanes);
  static constexpr auto by_groups = []<std::size_t... i>(std::index_sequence<i...>) {
    return std::array<const TileKernel<Arch>*, sizeof...(i)>{tile_kernels<Arch, static_cast<Index>(i) + 1>.data()...};
  }
  (std::make_index_sequence<max_groups>{});
  return by_groups[static_cast<std::size_t>(groups) - 1][static_cast<std::size_t>(rows) - 1];
}

/// multiply_tile for sizes known at run time: C [rows, columns], columns <= tile_columns, rows <= tile_rows, or
/// narrow_tile_rows of the columns' groups; may be 0.
/// B's rows must be readable up to the next multiple of 16 columns; C is read and written in its columns alone.
/// So is `start`, which may be C.
template <class Arch>
void multiply_tile(Index rows, Index columns, Index depth, LeftOperand a, RightOperand b, TileStart start, float* c,
                   Index c_stride, Prefetch prefetch = {}, Jump jump = {}) {
  if (rows == 0 || columns == 0) return;
  const Index groups = ceil_div(columns, lanes);
  const TileKernel<Arch> kernel = tile_kernel<Arch>(rows, groups);
  if (columns == groups * lanes) return kernel(depth, a, b, start, c, c_stride, prefetch, jump);

  constexpr Index width = tile_columns<Arch>;
  alignas(alignment) float whole[narrow_tile_rows<Arch>(1) * width] = {};  // [rows, tile_columns]
  for (Index i = 0; i < rows; ++i) std::copy_n(start.data + i * start.stride, columns, whole + i * width);
  kernel(depth, a, b, {whole, width}, whole, width, prefetch, jump);
  for (Index i = 0; i < rows; ++i) std::copy_n(whole + i * width, columns, c + i * c_stride);
}

/// C = (accumulate ? C : 0) + A B, under the same conditions.
template <class Arch>
void multiply_tile(Index rows, Index columns, Index depth, LeftOperand a, RightOperand b, bool accumulate, float* c,
                   Index c_stride) {
  multiply_tile<Arch>(rows, columns, depth, a, b, accumulate ? TileStart{c, c_stride} : TileStart{zero_row, 0}, c,
                      c_stride);
}

// A program of many translation units may define TESSERA_COMPILED_KERNELS and compile the kernels, which take 4
// seconds, in one of them (examples/tessera/kernels.cpp).
#ifdef TESSERA_COMPILED_KERNELS
extern template TileKernel<xsimd::default_arch> tile_kernel<xsimd::default_arch>(Index, Index);
#endif

}  // namespace tessera::cpu_detail
