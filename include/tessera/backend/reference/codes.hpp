// Rows of the codebook by id, and rows divided by their length (the cosine metric).
#pragma once

#include <algorithm>
#include <cmath>

#include <tessera/core/copy.hpp>
#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct CodesOps {
  template <Index C>
  static void gather_codes(Shape<C>, Index rows, View<const T> codes, View<const Token> ids, View<T> zq) {
    for (Index r = 0; r < rows; ++r) copy_values(codes.data() + ids[r] * C, C, zq.data() + r * C);
  }
  template <Index C>
  static void gather_codes_backward(Shape<C>, Index rows, View<const T> dzq, View<const Token> ids, View<T> dcodes) {
    for (Index r = 0; r < rows; ++r) {
      for (Index i = 0; i < C; ++i) dcodes[ids[r] * C + i] += dzq[r * C + i];
    }
  }

  /// y = x / norm, norm = max(|x|, 1e-12), as torch.nn.functional.normalize.
  template <Index C>
  static void normalize_rows(Shape<C>, Index rows, View<const T> x, View<T> y, View<T> norm) {
    using std::sqrt;
    for (Index r = 0; r < rows; ++r) {
      T squares{};
      for (Index i = 0; i < C; ++i) squares += x[r * C + i] * x[r * C + i];
      norm[r] = std::max(T(smallest_norm), sqrt(squares));
      for (Index i = 0; i < C; ++i) y[r * C + i] = x[r * C + i] / norm[r];
    }
  }
  /// dx += (dy - y (y . dy)) / norm; where norm is the constant 1e-12, dx += dy / norm.
  template <Index C>
  static void normalize_rows_backward(Shape<C>, Index rows, View<const T> y, View<const T> norm, View<const T> dy,
                                      View<T> dx) {
    for (Index r = 0; r < rows; ++r) {
      T y_dy{};
      if (norm[r] > T(smallest_norm)) {
        for (Index i = 0; i < C; ++i) y_dy += y[r * C + i] * dy[r * C + i];
      }
      for (Index i = 0; i < C; ++i) dx[r * C + i] += (dy[r * C + i] - y[r * C + i] * y_dy) / norm[r];
    }
  }

 private:
  static constexpr double smallest_norm = 1e-12;
};

}  // namespace tessera::reference_detail
