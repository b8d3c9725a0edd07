// Rows of the codebook by id, and rows divided by their length (the cosine metric).
#pragma once

#include <algorithm>
#include <cmath>

#include <tessera/backend/cpu/loops.hpp>
#include <tessera/core/copy.hpp>

namespace tessera::cpu_detail {

template <class Arch>
struct CodesOps {
  using V = Lanes<Arch>;

  template <Index C>
  static void gather_codes(Shape<C>, Index rows, View<const float> codes, View<const Token> ids, View<float> zq) {
    parallel_ranges(rows, C, [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) copy_values(codes.data() + ids[r] * C, C, zq.data() + r * C);
    });
  }
  /// Threads share the columns, so each value is added to in the order of the rows.
  template <Index C>
  static void gather_codes_backward(Shape<C>, Index rows, View<const float> dzq, View<const Token> ids,
                                    View<float> dcodes) {
    constexpr Index columns = 64;
    parallel_for(ceil_div(C, columns), [&](Index block) {
      const Index first = block * columns;
      for (Index r = 0; r < rows; ++r) {
        const float* from = dzq.data() + r * C + first;
        float* to = dcodes.data() + ids[r] * C + first;
        for_each_vector(
            std::min(columns, C - first), [&](Index i, auto n) __attribute__((always_inline)) {
              store<Arch>(load<Arch>(to + i, n) + load<Arch>(from + i, n), to + i, n);
            });
      }
    });
  }

  /// y = x / norm, norm = max(|x|, 1e-12), as torch.nn.functional.normalize.
  template <Index C>
  static void normalize_rows(Shape<C>, Index rows, View<const float> x, View<float> y, View<float> norm) {
    parallel_ranges(rows, C, [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) {
        norm[r] = std::max(smallest_norm, std::sqrt(dot<C>(x.data() + r * C, x.data() + r * C)));
        const V divisor = V::broadcast(norm[r]);
        for_each_vector(
            C, [&](Index i, auto n) __attribute__((always_inline)) {
              store<Arch>(load<Arch>(x.data() + r * C + i, n) / divisor, y.data() + r * C + i, n);
            });
      }
    });
  }
  /// dx += (dy - y (y . dy)) / norm; where norm is the constant 1e-12, dx += dy / norm.
  template <Index C>
  static void normalize_rows_backward(Shape<C>, Index rows, View<const float> y, View<const float> norm,
                                      View<const float> dy, View<float> dx) {
    parallel_ranges(rows, C, [&](Index begin, Index end) {
      for (Index r = begin; r < end; ++r) {
        const Index at = r * C;
        const float y_dy = norm[r] > smallest_norm ? dot<C>(y.data() + at, dy.data() + at) : 0.0F;
        for_each_vector(
            C, [&](Index i, auto n) __attribute__((always_inline)) {
              const V slope =
                  fma(load<Arch>(y.data() + at + i, n), V::broadcast(-y_dy), load<Arch>(dy.data() + at + i, n));
              store<Arch>(load<Arch>(dx.data() + at + i, n) + slope / V::broadcast(norm[r]), dx.data() + at + i, n);
            });
      }
    });
  }

 private:
  static constexpr float smallest_norm = 1e-12F;

  template <Index C>
  static float dot(const float* a, const float* b) {
    return sum_vectors<Arch>(
        C, [&](const V& sum, Index i, auto n)
               __attribute__((always_inline)) { return fma(load<Arch>(a + i, n), load<Arch>(b + i, n), sum); });
  }
};

}  // namespace tessera::cpu_detail
