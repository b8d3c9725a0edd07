// 3 x 3 convolution of feature maps [batch, H, W, channels], stride 1, zero padding 1; its two gradients. weight [Out,
// In, 3, 3]. Packing is a plain copy.
#pragma once

#include <algorithm>

#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct ConvolutionOps {
  template <Index In, Index Out>
  static constexpr Index packed_convolution_size(Shape<In, Out>) {
    return 9 * In * Out;
  }
  template <Index In, Index Out>
  static void pack_convolution(Shape<In, Out>, View<const T> weight, View<T> packed) {
    std::copy_n(weight.data(), 9 * In * Out, packed.data());
  }
  template <Index In, Index Out>
  static void pack_convolution_transposed(Shape<In, Out>, View<const T> weight, View<T> packed) {
    std::copy_n(weight.data(), 9 * In * Out, packed.data());
  }

  template <Index H, Index W, Index In, Index Out>
  static void convolution(Shape<H, W, In, Out>, Index batch, View<const T> x, View<const T> weight, View<const T> bias,
                          View<const T> residual, View<T> y) {
    for (Index p = 0; p < batch * H * W; ++p) {
      for (Index o = 0; o < Out; ++o) {
        T sum = bias.empty() ? T{} : bias[o];
        for_each_tap<H, W>(p, [&](Index neighbour, Index tap) {
          for (Index i = 0; i < In; ++i) sum += x[neighbour * In + i] * weight[(o * In + i) * 9 + tap];
        });
        y[p * Out + o] = residual.empty() ? sum : residual[p * Out + o] + sum;
      }
    }
  }

  template <Index H, Index W, Index In, Index Out>
  static void convolution_backward_input(Shape<H, W, In, Out>, Index batch, View<const T> dy, View<const T> weight,
                                         View<T> dx) {
    std::fill_n(dx.data(), batch * H * W * In, T{});
    for (Index p = 0; p < batch * H * W; ++p) {
      for_each_tap<H, W>(p, [&](Index neighbour, Index tap) {
        for (Index o = 0; o < Out; ++o) {
          for (Index i = 0; i < In; ++i) dx[neighbour * In + i] += dy[p * Out + o] * weight[(o * In + i) * 9 + tap];
        }
      });
    }
  }

  template <Index H, Index W, Index In, Index Out>
  static constexpr Index convolution_backward_scratch(Shape<H, W, In, Out>, Index) {
    return 0;
  }
  template <Index H, Index W, Index In, Index Out>
  static void convolution_backward_weight(Shape<H, W, In, Out>, Index batch, View<const T> x, View<const T> dy,
                                          View<T> /*scratch*/, View<T> dweight, View<T> dbias) {
    for (Index p = 0; p < batch * H * W; ++p) {
      for_each_tap<H, W>(p, [&](Index neighbour, Index tap) {
        for (Index o = 0; o < Out; ++o) {
          for (Index i = 0; i < In; ++i) dweight[(o * In + i) * 9 + tap] += dy[p * Out + o] * x[neighbour * In + i];
        }
      });
      for (Index o = 0; o < Out && !dbias.empty(); ++o) dbias[o] += dy[p * Out + o];
    }
  }

 private:
  /// f(neighbour, tap) for the pixels in the window around pixel p of the batch that its image has; tap = 3 row +
  /// column in the window.
  template <Index H, Index W, class F>
  static void for_each_tap(Index p, F&& f) {
    const Index h = p / W % H;
    const Index w = p % W;
    for (Index i = std::max<Index>(h - 1, 0); i <= std::min(h + 1, H - 1); ++i) {
      for (Index j = std::max<Index>(w - 1, 0); j <= std::min(w + 1, W - 1); ++j) {
        f(p + (i - h) * W + j - w, 3 * (i - h + 1) + j - w + 1);
      }
    }
  }
};

}  // namespace tessera::reference_detail
