// 3 x 3 convolution of feature maps [batch, H, W, channels], stride 1, zero padding 1, and its gradients, each as nine
// matrix products of whole maps: in a copy of the map with a border of zeros, one position of the window is the same
// distance for every pixel of the batch. Functors copy and add; the copy is allocated for each call.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/kernels/bias_gradient.hpp>
#include <tessera/backend/thrust/launch.hpp>
#include <tessera/backend/thrust/matrix_product.hpp>

namespace tessera::thrust_detail {

/// Maps with a border of one pixel.
template <Index H, Index W>
struct BorderedMap {
  static constexpr Index width = W + 2;
  static constexpr Index pixels = (H + 2) * width;  // of an image
  static constexpr Index first = width + 1;         // pixel that is not border

  /// From the first to the last pixel of a batch that is not border.
  static constexpr Index span(Index batch) { return batch * pixels - 2 * first; }
  /// How far position `tap` of the window lies from its centre.
  static constexpr Index offset(Index tap) { return (tap / 3 - 1) * width + tap % 3 - 1; }

  /// Where pixel i of [batch, H, W] lies.
  TESSERA_HOST_DEVICE static Index place(Index i) {
    const Index w = i % W, h = i / W % H, b = i / W / H;
    return b * pixels + (h + 1) * width + w + 1;
  }
};

/// bordered [batch, H + 2, W + 2, C] = x with zeros around; one call per value.
template <class S, Index H, Index W, Index C>
struct AddBorder {
  const S* x;   // [batch, H, W, C]
  S* bordered;  // [batch, H + 2, W + 2, C]

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index c = i % C, pixel = i / C;
    const Index w = pixel % (W + 2) - 1, h = pixel / (W + 2) % (H + 2) - 1, b = pixel / BorderedMap<H, W>::pixels;
    const bool inside = w >= 0 && w < W && h >= 0 && h < H;
    bordered[i] = inside ? x[((b * H + h) * W + w) * C + c] : S(0.0F);
  }
};

/// y = residual + sums + bias, without the border.
template <class S, Index H, Index W, Index Out>
struct RemoveBorder {
  const float* sums;  // [batch, H + 2, W + 2, Out], from the first pixel that is not border on
  const S* bias;      // [Out]; these two: null where absent
  const S* residual;  // [batch, H, W, Out]
  S* y;               // [batch, H, W, Out]

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    using Map = BorderedMap<H, W>;
    const Index o = i % Out;
    float sum = sums[(Map::place(i / Out) - Map::first) * Out + o];
    if (bias != nullptr) sum += bias[o];
    y[i] = residual == nullptr ? sum : residual[i] + sum;
  }
};

/// packed [9, Out, In] from weights that stand `out_step`, `in_step` and `tap_step` apart.
template <class S, Index In, Index Out>
struct PackTaps {
  const S* weight;
  Index out_step, in_step, tap_step;
  S* packed;  // [9, Out, In]

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index in = i % In, out = i / In % Out, tap = i / In / Out;
    packed[i] = weight[out * out_step + in * in_step + tap * tap_step];
  }
};

/// dweight [Out, In, 3, 3] += taps [9, Out, In].
template <Index In, Index Out>
struct AddTaps {
  const float* taps;
  float* dweight;
  TESSERA_HOST_DEVICE void operator()(Index i) const { dweight[i] += taps[i % 9 * Out * In + i / 9]; }
};

template <class System>
struct KernelConvolutionOps {
  using S = typename System::Scalar;

  template <Index In, Index Out>
  static constexpr Index packed_convolution_size(Shape<In, Out>) {
    return 9 * In * Out;
  }
  template <Index In, Index Out>
  static void pack_convolution(Shape<In, Out>, View<const S> weight, View<S> packed) {
    launch<System>(9 * In * Out, PackTaps<S, In, Out>{weight.data(), 9 * In, 9, 1, packed.data()});
  }
  /// The window turned around: with it, the input's gradient is a convolution of dy.
  template <Index In, Index Out>
  static void pack_convolution_transposed(Shape<In, Out>, View<const S> weight, View<S> packed) {
    launch<System>(9 * In * Out, PackTaps<S, Out, In>{weight.data() + 8, 9, 9 * In, -1, packed.data()});
  }

  template <Index H, Index W, Index In, Index Out>
  static void convolution(Shape<H, W, In, Out>, Index batch, View<const S> x, View<const S> packed, View<const S> bias,
                          View<const S> residual, View<S> y) {
    using Map = BorderedMap<H, W>;
    if (batch == 0) return;
    const auto bordered = add_border<H, W, In>(batch, x);
    auto sums = System::template scratch<float>(Map::span(batch) * Out);
    for (Index tap = 0; tap < 9; ++tap) {
      System::multiply(MatrixProduct<S, float>{.rows = Map::span(batch),
                                               .columns = Out,
                                               .depth = In,
                                               .a = bordered.view().data() + (Map::first + Map::offset(tap)) * In,
                                               .b = packed.data() + tap * Out * In,
                                               .c = sums.view().data(),
                                               .b_transposed = true,
                                               .residual = tap == 0 ? nullptr : sums.view().data()});
    }
    launch<System>(batch * H * W * Out,
                   RemoveBorder<S, H, W, Out>{sums.view().data(), optional(bias), optional(residual), y.data()});
  }
  template <Index H, Index W, Index In, Index Out>
  static void convolution_backward_input(Shape<H, W, In, Out>, Index batch, View<const S> dy, View<const S> packed,
                                         View<S> dx) {
    convolution(shape<H, W, Out, In>, batch, dy, packed, {}, {}, dx);
  }

  template <Index H, Index W, Index In, Index Out>
  static constexpr Index convolution_backward_scratch(Shape<H, W, In, Out>, Index /*batch*/) {
    return 0;
  }
  template <Index H, Index W, Index In, Index Out>
  static void convolution_backward_weight(Shape<H, W, In, Out>, Index batch, View<const S> x, View<const S> dy,
                                          View<S> /*scratch*/, View<Wide<S>> dweight, View<Wide<S>> dbias) {
    using Map = BorderedMap<H, W>;
    if (batch == 0) return;
    const auto bordered = add_border<H, W, In>(batch, x);
    const auto slopes = add_border<H, W, Out>(batch, dy);  // whose zeros end sums that run over the border
    auto taps = System::template scratch<float>(9 * Out * In);
    for (Index tap = 0; tap < 9; ++tap) {
      System::multiply(MatrixProduct<S, float>{.rows = Out,
                                               .columns = In,
                                               .depth = Map::span(batch),
                                               .a = slopes.view().data() + Map::first * Out,
                                               .b = bordered.view().data() + (Map::first + Map::offset(tap)) * In,
                                               .c = taps.view().data() + tap * Out * In,
                                               .a_transposed = true});
    }
    launch<System>(9 * Out * In, AddTaps<In, Out>{taps.view().data(), dweight.data()});
    if (!dbias.empty()) add_bias_gradient<System, Out>(batch * H * W, dy, dbias);
  }

 private:
  template <Index H, Index W, Index C>
  static auto add_border(Index batch, View<const S> x) {
    const Index size = batch * BorderedMap<H, W>::pixels * C;
    auto bordered = System::template scratch<S>(size);
    launch<System>(size, AddBorder<S, H, W, C>{x.data(), bordered.view().data()});
    return bordered;
  }
};

}  // namespace tessera::thrust_detail
