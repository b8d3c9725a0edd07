// Feature maps [batch, H, W, C] twice as high and wide: each pixel becomes a square of four (nearest neighbour).
#pragma once

#include <tessera/backend/cpu/loops.hpp>

namespace tessera::cpu_detail {

template <class Arch>
struct UpsampleOps {
  template <Index H, Index W, Index C>
  static void upsample2(Shape<H, W, C> sizes, Index batch, View<const float> x, View<float> y) {
    for_each_square(sizes, batch, [&](Index pixel, Index square) {
      const float* const from = x.data() + pixel;
      float* const to = y.data() + square;
      for_each_vector(
          C, [&](Index c, auto n) __attribute__((always_inline)) {
            const Lanes<Arch> values = load<Arch>(from + c, n);
            for (const Index corner : corners<W, C>) store<Arch>(values, to + corner + c, n);
          });
    });
  }
  template <Index H, Index W, Index C>
  static void upsample2_backward(Shape<H, W, C> sizes, Index batch, View<const float> dy, View<float> dx) {
    for_each_square(sizes, batch, [&](Index pixel, Index square) {
      float* const to = dx.data() + pixel;
      const float* const from = dy.data() + square;
      for_each_vector(
          C, [&](Index c, auto n) __attribute__((always_inline)) {
            const auto corner = [&](Index i) __attribute__((always_inline)) {
              return load<Arch>(from + corners<W, C>[i] + c, n);
            };
            store<Arch>((corner(0) + corner(1)) + (corner(2) + corner(3)), to + c, n);
          });
    });
  }

 private:
  /// Where the pixels of a square lie behind its first.
  template <Index W, Index C>
  static constexpr Index corners[4] = {0, C, 2 * W* C, 2 * W* C + C};

  /// f(offset of a pixel in the small map, offset of its square in the large one).
  template <Index H, Index W, Index C, class F>
  static void for_each_square(Shape<H, W, C>, Index batch, F&& f) {
    parallel_ranges(batch * H * W, 4 * C, [&](Index begin, Index end) {
      for (Index p = begin; p < end; ++p) f(p * C, (p / W * 4 * W + p % W * 2) * C);
    });
  }
};

}  // namespace tessera::cpu_detail
