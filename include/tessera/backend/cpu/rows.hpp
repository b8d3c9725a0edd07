// Rows copied, added and summed between sequences; RowBlock says where row (b, r) lies.
#pragma once

#include <tessera/backend/cpu/loops.hpp>
#include <tessera/backend/operations.hpp>

namespace tessera::cpu_detail {

template <class Arch>
struct RowsOps {
  using V = Lanes<Arch>;

  template <Index D>
  static void copy_rows(Shape<D>, Index batch, Index count, RowBlock<const float> x, View<const float> table,
                        RowBlock<float> y) {
    for_each_row<D>(batch, count, [&](Index b, Index r) {
      const float* from = row<D>(x, b, r);
      float* to = row<D>(y, b, r);
      if (table.empty()) {
        for_each_vector(D, [&](Index i, auto n) { store<Arch>(load<Arch>(from + i, n), to + i, n); });
      } else {
        add_vectors<D>(from, table.data() + r * D, to);
      }
    });
  }
  template <Index D>
  static void add_rows(Shape<D>, Index batch, Index count, RowBlock<const float> x, RowBlock<float> y) {
    for_each_row<D>(batch, count, [&](Index b, Index r) {
      float* to = row<D>(y, b, r);
      add_vectors<D>(row<D>(x, b, r), to, to);
    });
  }
  /// Each value of the table is one sum, image after image.
  template <Index D>
  static void sum_rows(Shape<D>, Index batch, Index count, RowBlock<const float> x, View<float> table, Index step) {
    constexpr Index vectors = ceil_div(D, lanes);
    const Index table_rows = step == 0 ? 1 : count;
    parallel_for(table_rows * vectors, [&](Index task) {
      const Index first = task / vectors;
      const Index end = step == 0 ? count : first + 1;
      const Index column = task % vectors * lanes;
      const Index n = std::min(lanes, D - column);
      float* to = table.data() + first * step * D + column;
      V sum = V::broadcast(0.0F);
      for (Index b = 0; b < batch; ++b) {
        for (Index r = first; r < end; ++r) sum = sum + load_columns(row<D>(x, b, r) + column, n);
      }
      store<Arch>(load<Arch>(to, n) + sum, to, n);
    });
  }

 private:
  template <Index D, class T>
  static T* row(const RowBlock<T>& block, Index b, Index r) {
    return block.data.data() + (b * block.per_image + block.first + r * block.step) * D;
  }
  template <Index D>
  static void add_vectors(const float* a, const float* b, float* y) {
    for_each_vector(D, [&](Index i, auto n) { store<Arch>(load<Arch>(a + i, n) + load<Arch>(b + i, n), y + i, n); });
  }
  static V load_columns(const float* p, Index n) { return n == lanes ? V::load(p) : V::load_partial(p, n); }

  template <Index D, class F>
  static void for_each_row(Index batch, Index count, F&& f) {
    parallel_ranges(batch * count, D, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) f(i / count, i % count);
    });
  }
};

}  // namespace tessera::cpu_detail
