// y[b, c, r] = x[b, r, c].
#pragma once

#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

template <Index R, Index C>
struct Transpose {
  const float* x;  // [batch, R, C]
  float* y;        // [batch, C, R]

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index r = i % R, c = i / R % C, b = i / R / C;
    y[i] = x[(b * R + r) * C + c];
  }
};

template <class System>
struct TransposeOps {
  template <Index R, Index C>
  static void transpose(Shape<R, C>, Index batch, View<const float> x, View<float> y) {
    launch<System>(batch * R * C, Transpose<R, C>{x.data(), y.data()});
  }
};

}  // namespace tessera::thrust_detail
