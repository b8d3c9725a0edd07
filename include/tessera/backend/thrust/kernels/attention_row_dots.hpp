// dot(dy, y) for every query of every head: what every slope of the query's scores has subtracted, made once for the
// two gradient kernels (Dao et al. 2022, arXiv:2205.14135, appendix B.2).
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/attention.hpp>
#include <tessera/backend/thrust/kernels/attention_block.hpp>
#include <tessera/backend/thrust/kernels/pack.hpp>

namespace tessera::thrust_detail {

inline constexpr int row_dots_lanes = 8;

/// Eight lanes a row: with 64 values of bfloat16 each reads one pack, together a line of the cache.
template <Index D, Index heads, class S>
__global__ void __launch_bounds__(attention_threads)
    attention_row_dots(Index count, Index q_rows, const S* dy, const S* y, Wide<S>* dots) {
  using Rows = AttentionRows<D, heads>;
  constexpr int lanes = row_dots_lanes;
  constexpr int pack_size = thrust_detail::pack_size<S, D / heads>;
  const Index i = (static_cast<Index>(blockIdx.x) * attention_threads + threadIdx.x) / lanes;  // [batch, heads, q_rows]
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  float sum = 0;
  if (i < count) {
    const Index row = Rows{q_rows, 0}.query(Rows::image(i, q_rows), i % q_rows, Rows::head(i, q_rows));
    for (int c = lane * pack_size; c < static_cast<int>(Rows::width); c += lanes * pack_size) {
      float a[pack_size], b[pack_size];
      load_pack(dy + row + c, a);
      load_pack(y + row + c, b);
      for (int j = 0; j < pack_size; ++j) sum = fmaf(a[j], b[j], sum);
    }
  }
  for (int step = lanes / 2; step > 0; step /= 2) sum += __shfl_xor_sync(~0U, sum, step);
  if (i < count && lane == 0) dots[i] = sum;
}

}  // namespace tessera::thrust_detail
