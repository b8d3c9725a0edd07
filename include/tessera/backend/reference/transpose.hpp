// y[b, c, r] = x[b, r, c].
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct TransposeOps {
  template <Index R, Index C>
  static void transpose(Shape<R, C>, Index batch, View<const T> x, View<T> y) {
    for (Index b = 0; b < batch; ++b) {
      for (Index r = 0; r < R; ++r) {
        for (Index c = 0; c < C; ++c) y[(b * C + c) * R + r] = x[(b * R + r) * C + c];
      }
    }
  }
};

}  // namespace tessera::reference_detail
