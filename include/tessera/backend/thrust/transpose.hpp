// y[b, c, r] = x[b, r, c].
#pragma once

#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

template <class S, Index R, Index C>
struct Transpose {
  const S* x;  // [batch, R, C]
  S* y;        // [batch, C, R]

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index r = i % R, c = i / R % C, b = i / R / C;
    y[i] = x[(b * R + r) * C + c];
  }
};

template <class System>
struct TransposeOps {
  using S = typename System::Scalar;

  template <Index R, Index C>
  static void transpose(Shape<R, C>, Index batch, View<const S> x, View<S> y) {
    launch<System>(batch * R * C, Transpose<S, R, C>{x.data(), y.data()});
  }
};

}  // namespace tessera::thrust_detail
