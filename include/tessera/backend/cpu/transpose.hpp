// y = factor * x^T, four by four in 128-bit registers, where interleaving means the same on every instruction set.
#pragma once

#include <algorithm>

#include <tessera/core/parallel.hpp>
#include <tessera/core/types.hpp>
#include <tessera/core/xsimd.hpp>

namespace tessera::cpu_detail {

/// y[i, j] = factor * x[j, i] for i < columns, j < rows. x: rows `x_stride` apart; y: rows `y_stride` apart.
inline void transpose(Index rows, Index columns, const float* x, Index x_stride, float factor, float* y,
                      Index y_stride) {
  using Four = xsimd::make_sized_batch_t<float, 4>;
  const Four factors(factor);
  const Index whole_rows = rows / 4 * 4;
  const Index whole_columns = columns / 4 * 4;
  const auto element = [&](Index i, Index j) { y[i * y_stride + j] = factor * x[j * x_stride + i]; };
  for (Index j = 0; j < whole_rows; j += 4) {
    const float* const row = x + j * x_stride;
    for (Index i = 0; i < whole_columns; i += 4) {
      const Four a = factors * Four::load_unaligned(row + i);
      const Four b = factors * Four::load_unaligned(row + x_stride + i);
      const Four c = factors * Four::load_unaligned(row + 2 * x_stride + i);
      const Four d = factors * Four::load_unaligned(row + 3 * x_stride + i);
      const Four ac_low = xsimd::zip_lo(a, c);  // a0 c0 a1 c1
      const Four bd_low = xsimd::zip_lo(b, d);
      const Four ac_high = xsimd::zip_hi(a, c);  // a2 c2 a3 c3
      const Four bd_high = xsimd::zip_hi(b, d);
      float* const to = y + i * y_stride + j;
      Four(xsimd::zip_lo(ac_low, bd_low)).store_unaligned(to);  // a0 b0 c0 d0
      Four(xsimd::zip_hi(ac_low, bd_low)).store_unaligned(to + y_stride);
      Four(xsimd::zip_lo(ac_high, bd_high)).store_unaligned(to + 2 * y_stride);
      Four(xsimd::zip_hi(ac_high, bd_high)).store_unaligned(to + 3 * y_stride);
    }
    for (Index i = whole_columns; i < columns; ++i) {
      for (Index n = 0; n < 4; ++n) element(i, j + n);
    }
  }
  for (Index j = whole_rows; j < rows; ++j) {
    for (Index i = 0; i < columns; ++i) element(i, j);
  }
}

struct TransposeOps {
  /// y[b, c, r] = x[b, r, c].
  template <Index R, Index C>
  static void transpose(Shape<R, C>, Index batch, View<const float> x, View<float> y) {
    constexpr Index block = 64;  // rows of one task
    constexpr Index blocks = (R + block - 1) / block;
    parallel_for(batch * blocks, [&](Index task) {
      const Index first = task % blocks * block;
      const Index image = task / blocks * R * C;
      cpu_detail::transpose(std::min(block, R - first), C, x.data() + image + first * C, C, 1.0F,
                            y.data() + image + first, R);
    });
  }
};

}  // namespace tessera::cpu_detail
