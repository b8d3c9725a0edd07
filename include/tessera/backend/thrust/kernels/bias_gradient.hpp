// A bias' gradient: the sums down dy's columns.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/kernels/columns.hpp>
#include <tessera/backend/thrust/kernels/pack.hpp>
#include <tessera/core/types.hpp>

namespace tessera::thrust_detail {

/// sum_columns' terms, of which the second stays zero.
template <class S, Index Out>
struct BiasTerms {
  using Scalar = S;
  static constexpr Index columns = Out;
  static constexpr int pack_size = thrust_detail::pack_size<S, Out>;
  const S* dy;  // [rows, Out]

  struct Columns {
    const S* first;  // of row 0

    __device__ void add(Index row, float (&sums)[pack_size], float (&/*none*/)[pack_size]) const {
      float values[pack_size];
      load_pack(first + row * Out, values);
#pragma unroll
      for (int i = 0; i < pack_size; ++i) sums[i] += values[i];
    }
  };
  __device__ Columns at(Index /*image*/, Index column) const {
    return {dy + column};
  }
};

/// dbias [Out] += the sums of dy's columns. Allocates: for training.
template <class System, Index Out, class S>
void add_bias_gradient(Index rows, View<const S> dy, View<Wide<S>> dbias) {
  if (rows == 0) return;
  auto none = System::template scratch<float>(Out);
  const auto sums = sum_columns<System>(BiasTerms<S, Out>{dy.data()}, 1, rows);
  add_column_sums<System, Out>(sums.view(), dbias.data(), none.view().data());
}

}  // namespace tessera::thrust_detail
