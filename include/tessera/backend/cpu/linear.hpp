// y = x W^T with its epilogues, and its two gradients. Every sum runs over its inner index from 0 up, one fused
// multiply-add after the other: y starts at the bias, dx at 0, dW and dbias at the values that they are added to. So a
// row's result does not depend on the batch, and two batches' gradients have the bits of the concatenated batch's.
#pragma once

#include <algorithm>

#include <tessera/backend/cpu/loops.hpp>
#include <tessera/backend/cpu/panel_product.hpp>
#include <tessera/backend/cpu/vector_math.hpp>
#include <tessera/backend/operations.hpp>

namespace tessera::cpu_detail {

/// Calls f(offset, n, sums) for sixteen sums at a time of a tile [rows, columns], offset in a matrix of rows of
/// `stride` values that begins with the tile, n: AllLanes, or the lanes left.
template <class Arch, class F>
[[gnu::always_inline]] inline void for_each_sum(Index rows, Index columns, Index stride, const float* sums,
                                                const F& f) {
  for (Index i = 0; i < rows; ++i) {
    for_each_vector(
        columns, [&](Index j, auto n) __attribute__((always_inline)) {
          f(i * stride + j, n, Lanes<Arch>::load(sums + i * tile_columns<Arch> + j));
        });
  }
}

/// The pointer of a view that may be empty.
template <class T>
T* data_or_null(View<T> view) {
  return view.empty() ? nullptr : view.data();
}

/// p + offset, nullptr for nullptr.
template <class T>
T* offset_or_null(T* p, Index offset) {
  return p == nullptr ? nullptr : p + offset;
}

/// LinearEpilogue, without the bias, applied to tiles of x W^T + bias.
template <class Arch>
struct FinishLinear {
  Index out;
  bool gelu;
  float* gelu_slope;      // [rows, out] or null
  const float* residual;  // [rows, out] or null
  float* y;               // [rows, out]

  void operator()(Index row, Index rows, Index column, Index columns, const float* sums) const {
    const Index first = row * out + column;
    float* const slope = offset_or_null(gelu_slope, first);
    const auto finish = [&](auto&& activate) __attribute__((always_inline)) {
      const float* const added = offset_or_null(residual, first);
      float* const to = y + first;
      for_each_sum<Arch>(
          rows, columns, out, sums, [=](Index at, auto n, Lanes<Arch> value) __attribute__((always_inline)) {
            value = activate(at, n, value);
            if (added != nullptr) value = load<Arch>(added + at, n) + value;
            store<Arch>(value, to + at, n);
          });
    };
    if (!gelu) {
      finish([](Index, auto, Lanes<Arch> value) __attribute__((always_inline)) { return value; });
    } else if (slope == nullptr) {
      finish([](Index, auto, Lanes<Arch> value) __attribute__((always_inline)) { return cpu_detail::gelu(value); });
    } else {
      finish([=](Index at, auto n, Lanes<Arch> value) __attribute__((always_inline)) {
        const GeluAndSlope<Arch> both = gelu_and_slope(value);
        store<Arch>(both.slope, slope + at, n);
        return both.value;
      });
    }
  }
};

/// LinearBackwardEpilogue applied to tiles of dy W.
template <class Arch>
struct FinishLinearBackward {
  Index in;
  const float* gelu_slope;  // [rows, in] or null
  const float* residual;    // [rows, in] or null
  float* dx;                // [rows, in]

  void operator()(Index row, Index rows, Index column, Index columns, const float* sums) const {
    const Index first = row * in + column;
    const float* const slope = offset_or_null(gelu_slope, first);
    const float* const added = offset_or_null(residual, first);
    float* const to = dx + first;
    for_each_sum<Arch>(
        rows, columns, in, sums, [=](Index at, auto n, Lanes<Arch> value) __attribute__((always_inline)) {
          if (slope != nullptr) value = value * load<Arch>(slope + at, n);
          if (added != nullptr) value = load<Arch>(added + at, n) + value;
          store<Arch>(value, to + at, n);
        });
  }
};

/// Outputs of one task of the bias gradient: eight sums in registers hide the latency of addition.
inline constexpr Index bias_outputs = 8 * lanes;

/// dbias[o] = ((dbias[o] + dy[0, o]) + dy[1, o]) + ..., for bias_outputs outputs from `first` on, or those that are
/// left.
template <class Arch>
void add_bias_gradient(Index first, Index rows, Index out, const float* dy, float* dbias) {
  if (first + bias_outputs <= out) {
    Lanes<Arch> sum[bias_outputs / lanes];
    for (Index g = 0; g < bias_outputs / lanes; ++g) sum[g] = Lanes<Arch>::load(dbias + first + g * lanes);
    for (Index r = 0; r < rows; ++r) {
      unroll<bias_outputs / lanes>([&](auto g) __attribute__((always_inline)) {
        sum[g] = sum[g] + Lanes<Arch>::load(dy + r * out + first + static_cast<Index>(g) * lanes);
      });
    }
    for (Index g = 0; g < bias_outputs / lanes; ++g) sum[g].store(dbias + first + g * lanes);
    return;
  }
  for (Index r = 0; r < rows; ++r) {
    for (Index o = first; o < out; ++o) dbias[o] += dy[r * out + o];
  }
}

/// Rows of x and dy that the weight gradient packs at a time: enough to make little of loading and storing dweight,
/// which for wide layers is larger than both copies (512 rows, 1024 -> 4096: 85 % of the FMA peak; in thirds 75 %).
inline constexpr Index gradient_rows = 512;

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
    const FinishLinear<Arch> finish{Out, epilogue.gelu, data_or_null(epilogue.gelu_slope),
                                    data_or_null(epilogue.residual), y.data()};
    const LeftRows left{x.data(), In};
    const float* const bias = data_or_null(epilogue.bias);
    if (!finish.gelu && finish.residual == nullptr) {
      multiply<Arch>(rows, In, Out, left, packed.data(), bias, y.data());
    } else {
      multiply<Arch>(rows, In, Out, left, packed.data(), bias, y.data(), finish);
    }
  }

  template <Index In, Index Out>
  static void linear_backward_input(Shape<In, Out>, Index rows, View<const float> dy,
                                    View<const float> packed_transposed, LinearBackwardEpilogue<float> epilogue,
                                    View<float> dx) {
    const FinishLinearBackward<Arch> finish{In, data_or_null(epilogue.gelu_slope), data_or_null(epilogue.residual),
                                            dx.data()};
    const LeftRows left{dy.data(), Out};
    if (finish.gelu_slope == nullptr && finish.residual == nullptr) {
      multiply<Arch>(rows, Out, In, left, packed_transposed.data(), nullptr, dx.data());
    } else {
      multiply<Arch>(rows, Out, In, left, packed_transposed.data(), nullptr, dx.data(), finish);
    }
  }

  /// A block of rows of dy in tiles, then of x in panels.
  template <Index In, Index Out>
  static constexpr Index linear_backward_scratch(Shape<In, Out>, Index rows) {
    const Index depth = std::min(rows, gradient_rows);
    return left_tiles_size<Arch>(Out, depth) + packed_size<Arch>(depth, In);
  }

  /// dweight += dy^T x.
  template <Index In, Index Out>
  static void linear_backward_weight(Shape<In, Out>, Index rows, View<const float> x, View<const float> dy,
                                     View<float> scratch, View<float> dweight, View<float> dbias) {
    const Index blocks = ceil_div(rows, gradient_rows);
    for (Index block = 0; block < blocks; ++block) {
      const Index first = part_begin(rows, block, blocks);
      const Index depth = part_begin(rows, block + 1, blocks) - first;
      float* const tiles = scratch.data();
      float* const panels = tiles + left_tiles_size<Arch>(Out, depth);
      pack_left_tiles<Arch>(Out, depth, dy.data() + first * Out, tiles);
      pack_rows<Arch>(depth, In, x.data() + first * In, panels);
      add_product<Arch>(Out, depth, In, LeftTiles<Arch>{tiles, depth}, panels, dweight.data());
    }
    if (dbias.empty()) return;
    parallel_for(ceil_div(Out, bias_outputs),
                 [&](Index i) { add_bias_gradient<Arch>(i * bias_outputs, rows, Out, dy.data(), dbias.data()); });
  }
};

}  // namespace tessera::cpu_detail
