// y = x W^T with its epilogues, and its two gradients. Every sum runs over its inner index from 0 up, one fused
// multiply-add after the other: dx starts at 0, dW and dbias at the values that they are added to. So a row's result
// does not depend on the batch, and two batches' gradients have the bits of the concatenated batch's.
#pragma once

#include <algorithm>

#include <tessera/backend/cpu/panel_product.hpp>
#include <tessera/backend/cpu/vector_math.hpp>
#include <tessera/backend/operations.hpp>

namespace tessera::cpu_detail {

/// Sixteen values of a tile, or the `count` < 16 that its last group of lanes has.
template <class Arch>
struct LaneGroup {
  Index count;

  [[nodiscard, gnu::always_inline]] Lanes<Arch> load(const float* p) const {
    return count == lanes ? Lanes<Arch>::load(p) : Lanes<Arch>::load_partial(p, count);
  }
  [[gnu::always_inline]] void store(const Lanes<Arch>& value, float* p) const {
    if (count == lanes) return value.store(p);
    value.store_partial(p, count);
  }
};

/// Calls f(row, column, group, sum) for sixteen sums at a time of a tile [rows, tile_columns].
template <class Arch, class F>
[[gnu::always_inline]] inline void for_each_group(Index row, Index rows, Index column, Index columns, const float* sums,
                                                  const F& f) {
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; j += lanes) {
      f(row + i, column + j, LaneGroup<Arch>{std::min(lanes, columns - j)},
        Lanes<Arch>::load(sums + i * tile_columns<Arch> + j));
    }
  }
}

/// LinearEpilogue applied to tiles of x W^T.
template <class Arch>
struct FinishLinear {
  Index out;
  LinearEpilogue<float> epilogue;
  float* y;  // [rows, out]

  void operator()(Index row, Index rows, Index column, Index columns, const float* sums) const {
    const float* const bias = epilogue.bias.empty() ? nullptr : epilogue.bias.data();
    float* const pre_activation = epilogue.pre_activation.empty() ? nullptr : epilogue.pre_activation.data();
    const float* const residual = epilogue.residual.empty() ? nullptr : epilogue.residual.data();
    for_each_group<Arch>(row, rows, column, columns, sums, [&](Index r, Index c, auto group, Lanes<Arch> value) __attribute__((always_inline)) {
      const Index at = r * out + c;
      if (bias) value = value + group.load(bias + c);
      if (pre_activation) group.store(value, pre_activation + at);
      if (epilogue.gelu) value = gelu(value);
      if (residual) value = group.load(residual + at) + value;
      group.store(value, y + at);
    });
  }
};

/// LinearBackwardEpilogue applied to tiles of dy W.
template <class Arch>
struct FinishLinearBackward {
  Index in;
  LinearBackwardEpilogue<float> epilogue;
  float* dx;  // [rows, in]

  void operator()(Index row, Index rows, Index column, Index columns, const float* sums) const {
    const float* const gelu_input = epilogue.gelu_input.empty() ? nullptr : epilogue.gelu_input.data();
    const float* const residual = epilogue.residual.empty() ? nullptr : epilogue.residual.data();
    for_each_group<Arch>(row, rows, column, columns, sums, [&](Index r, Index c, auto group, Lanes<Arch> value) __attribute__((always_inline)) {
      const Index at = r * in + c;
      if (gelu_input) value = value * gelu_derivative(group.load(gelu_input + at));
      if (residual) value = group.load(residual + at) + value;
      group.store(value, dx + at);
    });
  }
};

/// Outputs whose dy one task of the weight gradient keeps in L2: depth_block rows of 384 floats are 384 KiB.
inline constexpr Index max_block_outputs = 384;

/// dweight [out, in] += dy^T x, with x [rows, in], dy [rows, out]. x goes through a panel on the stack, dy is read in
/// place.
template <class Arch>
void add_weight_gradient(Index outputs, Index first_output, Index panel, Index rows, Index in, Index out,
                         const float* x, const float* dy, float* dweight) {
  constexpr Index width = tile_columns<Arch>;
  alignas(alignment) float packed[depth_block * width];  // [depth_block, tile_columns]
  const Index column = panel * width;
  const Index columns = std::min(width, in - column);
  const Index tiles = ceil_div(outputs, tile_rows<Arch>);
  const Index depth_blocks = ceil_div(rows, depth_block);
  for (Index d = 0; d < depth_blocks; ++d) {
    const Index k = part_begin(rows, d, depth_blocks);
    const Index depth = part_begin(rows, d + 1, depth_blocks) - k;
    pack_panel<Arch>(depth, columns, x + k * in + column, in, packed);
    for (Index tile = 0; tile < tiles; ++tile) {
      const Index o = first_output + part_begin(outputs, tile, tiles);
      const Index height = first_output + part_begin(outputs, tile + 1, tiles) - o;
      multiply_tile<Arch>(height, columns, depth, {dy + k * out + o, 1, out}, {packed, width}, true,
                          dweight + o * in + column, in);
    }
  }
}

/// dbias[o] += dy[0, o] + dy[1, o] + ..., for `count` outputs from `first` on.
template <class Arch>
void add_bias_gradient(Index first, Index count, Index rows, Index out, const float* dy, float* dbias) {
  for (Index o = first; o < first + count; o += lanes) {
    const LaneGroup<Arch> group{std::min(lanes, first + count - o)};
    Lanes<Arch> sum = group.load(dbias + o);
    for (Index r = 0; r < rows; ++r) sum = sum + group.load(dy + r * out + o);
    group.store(sum, dbias + o);
  }
}

/// The products of backend/concept.hpp. Sizes need not be multiples of anything.
template <class Arch>
struct LinearOps {
  template <Index In, Index Out>
  static constexpr Index packed_weight_size(Shape<In, Out>) {
    return std::max(packed_size<Arch>(In, Out), packed_size<Arch>(Out, In));
  }

  template <Index In, Index Out>
  static void pack_weight(Shape<In, Out>, View<const float> weight, View<float> packed) {
    pack_columns<Arch>(In, Out, weight.data(), packed.data());
  }

  template <Index In, Index Out>
  static void pack_weight_transposed(Shape<In, Out>, View<const float> weight, View<float> packed) {
    pack_rows<Arch>(Out, In, weight.data(), packed.data());
  }

  template <Index In, Index Out>
  static void linear(Shape<In, Out>, Index rows, View<const float> x, View<const float> packed,
                     LinearEpilogue<float> epilogue, View<float> y) {
    multiply_panels<Arch>(rows, In, Out, x.data(), packed.data(), FinishLinear<Arch>{Out, epilogue, y.data()});
  }

  template <Index In, Index Out>
  static void linear_backward_input(Shape<In, Out>, Index rows, View<const float> dy,
                                    View<const float> packed_transposed, LinearBackwardEpilogue<float> epilogue,
                                    View<float> dx) {
    multiply_panels<Arch>(rows, Out, In, dy.data(), packed_transposed.data(),
                          FinishLinearBackward<Arch>{In, epilogue, dx.data()});
  }

  /// None: panels of x go over the stack.
  template <Index In, Index Out>
  static constexpr Index linear_backward_scratch(Shape<In, Out>, Index) {
    return 0;
  }

  template <Index In, Index Out>
  static void linear_backward_weight(Shape<In, Out>, Index rows, View<const float> x, View<const float> dy,
                                     View<float> /*scratch*/, View<float> dweight, View<float> dbias) {
    const Index panels = panel_count<Arch>(In);
    const Index blocks = ceil_div(Out, max_block_outputs);
    parallel_for(panels * blocks, [&](Index task) {
      const Index block = task / panels;
      const Index first = part_begin(Out, block, blocks);
      add_weight_gradient<Arch>(part_begin(Out, block + 1, blocks) - first, first, task % panels, rows, In, Out,
                                x.data(), dy.data(), dweight.data());
    });
    if (!dbias.empty()) add_bias_gradient<Arch>(0, Out, rows, Out, dy.data(), dbias.data());
  }
};

}  // namespace tessera::cpu_detail
