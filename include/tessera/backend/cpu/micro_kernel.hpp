// The one register-tile kernel under every matrix product and under attention: C[i, j] (+)= sum over k of A(i, k) B(k,
// j). C stays in registers while k runs: each of its elements is one chain of fused multiply-adds over k in ascending
// order, and lanes run over j alone. So the bits depend neither on the instruction set, nor on how the caller cuts i
// and j into tiles, nor on how it cuts k into blocks (a float that is stored and loaded again is the same float).
#pragma once

#include <algorithm>
#include <array>
#include <utility>

#include <tessera/backend/cpu/lanes.hpp>

namespace tessera::cpu_detail {

/// The tile's shape. Sums fill most registers, so that 2 fused multiply-adds a cycle of latency 4 never wait, and so
/// that each value that is loaded is used often: AVX-512 12 x 32 = 24 of 32 registers, AVX2 6 x 16 = 12 of 16, NEON 6 x
/// 16 = 24 of 32.
template <class Arch>
inline constexpr Index tile_rows = Lanes<Arch>::parts == 1 ? 12 : 6;
template <class Arch>
inline constexpr Index tile_columns = Lanes<Arch>::parts == 1 ? 2 * lanes : lanes;

/// What stands left of the product: A(i, k) = data[i * row_stride + k * k_stride], so A^T is read by exchanging the
/// strides.
struct LeftOperand {
  const float* data;
  Index row_stride;
  Index k_stride;
};

/// What stands right of it: B(k, j) = data[k * k_stride + j]. A packed panel, or rows that are read where they lie.
struct RightOperand {
  const float* data;
  Index k_stride;
};

/// Calls f(0), f(1), ... f(count - 1) with compile-time constants: registers have no index.
template <Index count, class F>
[[gnu::always_inline]] inline void unroll(F&& f) {
  [&]<std::size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
    (f(std::integral_constant<std::size_t, i>{}), ...);
  }
  (std::make_index_sequence<static_cast<std::size_t>(count)>{});
}

/// C [rows, 16 * groups], row i at c + i * c_stride, = (accumulate ? C : 0) + A B over k in [0, depth), in this order.
template <class Arch, Index rows, Index groups>
[[gnu::noinline]] void multiply_tile(Index depth, LeftOperand a, RightOperand b, bool accumulate, float* c,
                                     Index c_stride) {
  static_assert(rows >= 1 && rows <= tile_rows<Arch> && groups >= 1 && groups * lanes <= tile_columns<Arch>,
                "multiply_tile: more sums than registers; use at most tile_rows x tile_columns.");
  using Batch = xsimd::batch<float, Arch>;
  constexpr Index width = static_cast<Index>(Batch::size);
  constexpr Index vectors = groups * lanes / width;
  // base + {0, 1, 2} * stride is one x86 address, so a pointer for every third row is enough.
  constexpr Index rows_per_pointer = 3;
  constexpr Index pointers = (rows + rows_per_pointer - 1) / rows_per_pointer;

  Batch sum[rows][vectors];
  unroll<rows>([&](auto i) __attribute__((always_inline)) {
    unroll<vectors>([&](auto v) __attribute__((always_inline)) {
      sum[i][v] = accumulate
                      ? Batch::load_unaligned(c + static_cast<Index>(i) * c_stride + static_cast<Index>(v) * width)
                      : Batch(0.0F);
    });
  });

  const float* row[pointers];
  unroll<pointers>([&](auto p) __attribute__((always_inline)) {
    row[p] = a.data + static_cast<Index>(p) * rows_per_pointer * a.row_stride;
  });
  for (Index k = 0; k < depth; ++k) {
    Batch right[vectors];
    unroll<vectors>([&](auto v) __attribute__((always_inline)) {
      right[v] = Batch::load_unaligned(b.data + static_cast<Index>(v) * width);
    });
    unroll<rows>([&](auto i) __attribute__((always_inline)) {
      const Batch left(row[i / rows_per_pointer][static_cast<Index>(i % rows_per_pointer) * a.row_stride]);
      unroll<vectors>([&](auto v) __attribute__((always_inline)) { sum[i][v] = fused(left, right[v], sum[i][v]); });
    });
    b.data += b.k_stride;
    unroll<pointers>([&](auto p) __attribute__((always_inline)) { row[p] += a.k_stride; });
  }

  unroll<rows>([&](auto i) __attribute__((always_inline)) {
    unroll<vectors>([&](auto v) __attribute__((always_inline)) {
      sum[i][v].store_unaligned(c + static_cast<Index>(i) * c_stride + static_cast<Index>(v) * width);
    });
  });
}

/// multiply_tile for sizes known at run time: C [rows, columns], rows <= tile_rows, columns <= tile_columns, may be 0.
/// B's rows must be readable up to the next multiple of 16 columns; C is read and written in its columns alone.
template <class Arch>
void multiply_tile(Index rows, Index columns, Index depth, LeftOperand a, RightOperand b, bool accumulate, float* c,
                   Index c_stride) {
  using Kernel = void (*)(Index, LeftOperand, RightOperand, bool, float*, Index);
  constexpr Index max_rows = tile_rows<Arch>;
  constexpr Index max_groups = tile_columns<Arch> / lanes;
  // kernels[(groups - 1) * max_rows + rows - 1]
  static constexpr auto kernels = []<std::size_t... i>(std::index_sequence<i...>) {
    return std::array<Kernel, sizeof...(i)>{
        &multiply_tile<Arch, static_cast<Index>(i) % max_rows + 1, static_cast<Index>(i) / max_rows + 1>...};
  }
  (std::make_index_sequence<static_cast<std::size_t>(max_rows * max_groups)>{});

  if (rows == 0 || columns == 0) return;
  const Index groups = (columns + lanes - 1) / lanes;
  const Kernel kernel = kernels[static_cast<std::size_t>((groups - 1) * max_rows + rows - 1)];
  if (columns == groups * lanes) return kernel(depth, a, b, accumulate, c, c_stride);

  alignas(alignment) float whole[max_rows * tile_columns<Arch>] = {};  // [rows, tile_columns]
  for (Index i = 0; accumulate && i < rows; ++i) {
    std::copy_n(c + i * c_stride, columns, whole + i * tile_columns<Arch>);
  }
  kernel(depth, a, b, accumulate, whole, tile_columns<Arch>);
  for (Index i = 0; i < rows; ++i) std::copy_n(whole + i * tile_columns<Arch>, columns, c + i * c_stride);
}

}  // namespace tessera::cpu_detail
