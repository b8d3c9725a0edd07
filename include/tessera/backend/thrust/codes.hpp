// Rows of the codebook by id, and rows divided by their length (the cosine metric).
#pragma once

#include <type_traits>

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

template <class S, Index C>
struct GatherCodes {
  const S* codes;    // [K, C]
  const Token* ids;  // [rows]
  S* zq;             // [rows, C]
  TESSERA_HOST_DEVICE void operator()(Index i) const { zq[i] = codes[ids[i / C] * C + i % C]; }
};

/// One call per column, so that each value is added to in the order of the rows.
template <class S, Index C>
struct GatherCodesBackward {
  Index rows;
  const S* dzq;      // [rows, C]
  const Token* ids;  // [rows]
  float* dcodes;     // [K, C]
  TESSERA_HOST_DEVICE void operator()(Index c) const {
    for (Index r = 0; r < rows; ++r) dcodes[ids[r] * C + c] += dzq[r * C + c];
  }
};

inline constexpr float smallest_norm = 1e-12F;

/// y = x / norm, norm = max(|x|, 1e-12), as torch.nn.functional.normalize.
template <class S, Index C>
struct NormalizeRow {
  const S* x;   // [rows, C]
  S* y;         // [rows, C]
  float* norm;  // [rows]

  TESSERA_HOST_DEVICE void operator()(Index r) const {
    const float length = std::sqrt(dot<C>(x + r * C, x + r * C));
    norm[r] = length < smallest_norm ? smallest_norm : length;
    for (Index i = r * C; i < (r + 1) * C; ++i) y[i] = x[i] / norm[r];
  }
};

/// dx += (dy - y (y . dy)) / norm; where norm is the constant 1e-12, dx += dy / norm.
template <class S, class Gradient, Index C>
struct NormalizeRowBackward {
  const S* y;          // [rows, C]
  const float* norm;   // [rows]
  const Gradient* dy;  // [rows, C]
  Gradient* dx;        // [rows, C]

  TESSERA_HOST_DEVICE void operator()(Index r) const {
    const float y_dy = norm[r] > smallest_norm ? dot<C>(y + r * C, dy + r * C) : 0.0F;
    for (Index i = r * C; i < (r + 1) * C; ++i) dx[i] += (dy[i] - y[i] * y_dy) / norm[r];
  }
};

template <class System>
struct CodesOps {
  using S = typename System::Scalar;

  template <Index C>
  static void gather_codes(Shape<C>, Index rows, View<const S> codes, View<const Token> ids, View<S> zq) {
    launch<System>(rows * C, GatherCodes<S, C>{codes.data(), ids.data(), zq.data()});
  }
  template <Index C>
  static void gather_codes_backward(Shape<C>, Index rows, View<const S> dzq, View<const Token> ids,
                                    View<Wide<S>> dcodes) {
    launch<System>(C, GatherCodesBackward<S, C>{rows, dzq.data(), ids.data(), dcodes.data()});
  }
  template <Index C>
  static void normalize_rows(Shape<C>, Index rows, View<const S> x, View<S> y, View<Wide<S>> norm) {
    launch<System>(rows, NormalizeRow<S, C>{x.data(), y.data(), norm.data()});
  }
  template <Index C>
  static void normalize_rows_backward(Shape<C>, Index rows, View<const S> y, View<const Wide<S>> norm, View<const S> dy,
                                      View<S> dx) {
    launch<System>(rows, NormalizeRowBackward<S, S, C>{y.data(), norm.data(), dy.data(), dx.data()});
  }
  template <Index C>
  static void normalize_rows_backward(Shape<C>, Index rows, View<const S> y, View<const Wide<S>> norm,
                                      View<const Wide<S>> dy, View<Wide<S>> dx) requires(!std::is_same_v<S, Wide<S>>) {
    launch<System>(rows, NormalizeRowBackward<S, Wide<S>, C>{y.data(), norm.data(), dy.data(), dx.data()});
  }
};

}  // namespace tessera::thrust_detail
