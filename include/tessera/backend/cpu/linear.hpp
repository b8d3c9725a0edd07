// y = x W^T with its epilogues, and its two gradients. Every sum runs over its inner index from 0 up, one fused
// multiply-add after the other: y starts at the bias, dx at 0, dW and dbias at the values that they are added to. So a
// row's result does not depend on the batch, and two batches' gradients have the bits of the concatenated batch's.
#pragma once

#include <algorithm>
#include <cstring>

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

/// LaneGroup of all sixteen, known to the compiler.
template <class Arch>
struct WholeGroup {
  [[nodiscard, gnu::always_inline]] Lanes<Arch> load(const float* p) const { return Lanes<Arch>::load(p); }
  [[gnu::always_inline]] void store(const Lanes<Arch>& value, float* p) const { value.store(p); }
};

/// Calls f(offset, group, sums) for sixteen sums at a time of a tile [rows, columns], offset in a matrix of rows of
/// `stride` values that begins with the tile.
template <class Arch, class F>
[[gnu::always_inline]] inline void for_each_group(Index rows, Index columns, Index stride, const float* sums,
                                                  const F& f) {
  for (Index i = 0; i < rows; ++i) {
    Index j = 0;
    for (; j + lanes <= columns; j += lanes) {
      f(i * stride + j, WholeGroup<Arch>{}, Lanes<Arch>::load(sums + i * tile_columns<Arch> + j));
    }
    if (j < columns) {
      f(i * stride + j, LaneGroup<Arch>{columns - j}, Lanes<Arch>::load(sums + i * tile_columns<Arch> + j));
    }
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
  float* pre_activation;  // [rows, out] or null
  const float* residual;  // [rows, out] or null
  float* y;               // [rows, out]

  void operator()(Index row, Index rows, Index column, Index columns, const float* sums) const {
    const Index first = row * out + column;
    float* const pre = offset_or_null(pre_activation, first);
    const float* const added = offset_or_null(residual, first);
    float* const to = y + first;
    if (gelu) {
      for_each_group<Arch>(
          rows, columns, out, sums, [=](Index at, auto group, Lanes<Arch> value) __attribute__((always_inline)) {
            if (pre != nullptr) group.store(value, pre + at);
            value = cpu_detail::gelu(value);
            if (added != nullptr) value = group.load(added + at) + value;
            group.store(value, to + at);
          });
    } else {
      for_each_group<Arch>(
          rows, columns, out, sums, [=](Index at, auto group, Lanes<Arch> value) __attribute__((always_inline)) {
            if (pre != nullptr) group.store(value, pre + at);
            if (added != nullptr) value = group.load(added + at) + value;
            group.store(value, to + at);
          });
    }
  }
};

/// LinearBackwardEpilogue applied to tiles of dy W.
template <class Arch>
struct FinishLinearBackward {
  Index in;
  const float* gelu_input;  // [rows, in] or null
  const float* residual;    // [rows, in] or null
  float* dx;                // [rows, in]

  void operator()(Index row, Index rows, Index column, Index columns, const float* sums) const {
    const Index first = row * in + column;
    const float* const gelu_at = offset_or_null(gelu_input, first);
    const float* const added = offset_or_null(residual, first);
    float* const to = dx + first;
    for_each_group<Arch>(
        rows, columns, in, sums, [=](Index at, auto group, Lanes<Arch> value) __attribute__((always_inline)) {
          if (gelu_at != nullptr) value = value * gelu_derivative(group.load(gelu_at + at));
          if (added != nullptr) value = group.load(added + at) + value;
          group.store(value, to + at);
        });
  }
};

/// Rows, outputs and panels of one step of the weight gradient. Their part of x (256 KiB with AVX-512), of dy (192 KiB)
/// and of dweight (192 KiB) fit L2.
inline constexpr Index gradient_rows = 256;
inline constexpr Index gradient_outputs = 192;
inline constexpr Index gradient_panels = 4;

/// Copies `outputs` columns of dy into tiles [gradient_rows, tile_rows], one behind the other.
template <class Arch>
void pack_left_tiles(Index depth, Index outputs, const float* dy, Index stride, float* tiles) {
  constexpr Index height = tile_rows<Arch>;
  constexpr Index group = 8 * height;  // reads whole cache lines, and writes to few pages at a time
  for (Index first = 0; first < outputs; first += group) {
    const Index last = std::min(first + group, outputs);
    for (Index k = 0; k < depth; ++k) {
      const float* const row = dy + k * stride;
      float* to = tiles + first * gradient_rows + k * height;
      Index o = first;
      for (; o + height <= last; o += height, to += gradient_rows * height) {
        std::memcpy(to, row + o, height * sizeof(float));  // of constant size: three moves, where copy_n is a call
      }
      if (o < last) std::copy_n(row + o, last - o, to);
    }
  }
}

/// dweight [out, in] += dy^T x for outputs [first, last) and columns [column, end), with x [rows, in], dy [rows, out].
/// Both go through copies on the stack: in place, every step of k would read another page.
template <class Arch>
void add_weight_gradient(Index first, Index last, Index column, Index end, Index rows, Index in, Index out,
                         const float* x, const float* dy, float* dweight) {
  constexpr Index width = tile_columns<Arch>;
  constexpr Index height = tile_rows<Arch>;
  static_assert(gradient_outputs % height == 0);
  alignas(alignment) float panels[gradient_panels * gradient_rows * width];  // of x [gradient_rows, tile_columns]
  alignas(alignment) float tiles[gradient_outputs * gradient_rows];          // of dy [gradient_rows, tile_rows]
  const Index row_blocks = ceil_div(rows, gradient_rows);
  for (Index block = 0; block < row_blocks; ++block) {
    const Index k = part_begin(rows, block, row_blocks);
    const Index depth = part_begin(rows, block + 1, row_blocks) - k;
    pack_left_tiles<Arch>(depth, last - first, dy + k * out + first, out, tiles);
    for (Index c = column; c < end; c += width) {
      pack_panel<Arch>(depth, std::min(width, end - c), x + k * in + c, in, panels + (c - column) * gradient_rows);
    }
    for (Index o = first; o < last; o += height) {
      for (Index c = column; c < end; c += width) {
        multiply_tile<Arch>(std::min(height, last - o), std::min(width, end - c), depth,
                            {tiles + (o - first) * gradient_rows, 1, height},
                            {panels + (c - column) * gradient_rows, width}, true, dweight + o * in + c, in);
      }
    }
  }
}

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
    const FinishLinear<Arch> finish{Out, epilogue.gelu, data_or_null(epilogue.pre_activation),
                                    data_or_null(epilogue.residual), y.data()};
    const bool finished = !finish.gelu && finish.pre_activation == nullptr && finish.residual == nullptr;
    multiply_panels<Arch>(rows, In, Out, x.data(), packed.data(), {data_or_null(epilogue.bias), y.data(), !finished},
                          finish);
  }

  template <Index In, Index Out>
  static void linear_backward_input(Shape<In, Out>, Index rows, View<const float> dy,
                                    View<const float> packed_transposed, LinearBackwardEpilogue<float> epilogue,
                                    View<float> dx) {
    const FinishLinearBackward<Arch> finish{In, data_or_null(epilogue.gelu_input), data_or_null(epilogue.residual),
                                            dx.data()};
    const bool finished = finish.gelu_input == nullptr && finish.residual == nullptr;
    multiply_panels<Arch>(rows, Out, In, dy.data(), packed_transposed.data(), {nullptr, dx.data(), !finished}, finish);
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
    Index blocks = ceil_div(Out, gradient_outputs);
    const Index groups = ceil_div(panels, gradient_panels);
    // Every cut of the outputs packs x once more, so small products are cut only as far as there are threads.
    const Index cuts = ceil_div(thread_count(), blocks * groups);
    blocks = std::min(blocks * cuts, ceil_div(Out, tile_rows<Arch>));
    const Index bias_tasks = dbias.empty() ? 0 : ceil_div(Out, bias_outputs);
    parallel_for(bias_tasks + groups * blocks, [&](Index i) {
      if (i < bias_tasks) return add_bias_gradient<Arch>(i * bias_outputs, rows, Out, dy.data(), dbias.data());
      const Index block = (i - bias_tasks) / groups;
      const Index group = (i - bias_tasks) % groups;
      const Index column = part_begin(panels, group, groups) * tile_columns<Arch>;
      const Index end = std::min(In, part_begin(panels, group + 1, groups) * tile_columns<Arch>);
      add_weight_gradient<Arch>(part_begin(Out, block, blocks), part_begin(Out, block + 1, blocks), column, end, rows,
                                In, Out, x.data(), dy.data(), dweight.data());
    });
  }
};

}  // namespace tessera::cpu_detail
