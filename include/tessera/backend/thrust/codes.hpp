// Rows of the codebook by id, and rows divided by their length (the cosine metric).
#pragma once

#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

template <Index C>
struct GatherCodes {
  const float* codes;  // [K, C]
  const Token* ids;    // [rows]
  float* zq;           // [rows, C]
  TESSERA_HOST_DEVICE void operator()(Index i) const { zq[i] = codes[ids[i / C] * C + i % C]; }
};

/// One call per column, so that each value is added to in the order of the rows.
template <Index C>
struct GatherCodesBackward {
  Index rows;
  const float* dzq;  // [rows, C]
  const Token* ids;  // [rows]
  float* dcodes;     // [K, C]
  TESSERA_HOST_DEVICE void operator()(Index c) const {
    for (Index r = 0; r < rows; ++r) dcodes[ids[r] * C + c] += dzq[r * C + c];
  }
};

inline constexpr float smallest_norm = 1e-12F;

/// y = x / norm, norm = max(|x|, 1e-12), as torch.nn.functional.normalize.
template <Index C>
struct NormalizeRow {
  const float* x;  // [rows, C]
  float* y;        // [rows, C]
  float* norm;     // [rows]

  TESSERA_HOST_DEVICE void operator()(Index r) const {
    const float length = std::sqrt(dot<C>(x + r * C, x + r * C));
    norm[r] = length < smallest_norm ? smallest_norm : length;
    for (Index i = r * C; i < (r + 1) * C; ++i) y[i] = x[i] / norm[r];
  }
};

/// dx += (dy - y (y . dy)) / norm; where norm is the constant 1e-12, dx += dy / norm.
template <Index C>
struct NormalizeRowBackward {
  const float* y;     // [rows, C]
  const float* norm;  // [rows]
  const float* dy;    // [rows, C]
  float* dx;          // [rows, C]

  TESSERA_HOST_DEVICE void operator()(Index r) const {
    const float y_dy = norm[r] > smallest_norm ? dot<C>(y + r * C, dy + r * C) : 0.0F;
    for (Index i = r * C; i < (r + 1) * C; ++i) dx[i] += (dy[i] - y[i] * y_dy) / norm[r];
  }
};

template <class System>
struct CodesOps {
  template <Index C>
  static void gather_codes(Shape<C>, Index rows, View<const float> codes, View<const Token> ids, View<float> zq) {
    launch<System>(rows * C, GatherCodes<C>{codes.data(), ids.data(), zq.data()});
  }
  template <Index C>
  static void gather_codes_backward(Shape<C>, Index rows, View<const float> dzq, View<const Token> ids,
                                    View<float> dcodes) {
    launch<System>(C, GatherCodesBackward<C>{rows, dzq.data(), ids.data(), dcodes.data()});
  }
  template <Index C>
  static void normalize_rows(Shape<C>, Index rows, View<const float> x, View<float> y, View<float> norm) {
    launch<System>(rows, NormalizeRow<C>{x.data(), y.data(), norm.data()});
  }
  template <Index C>
  static void normalize_rows_backward(Shape<C>, Index rows, View<const float> y, View<const float> norm,
                                      View<const float> dy, View<float> dx) {
    launch<System>(rows, NormalizeRowBackward<C>{y.data(), norm.data(), dy.data(), dx.data()});
  }
};

}  // namespace tessera::thrust_detail
