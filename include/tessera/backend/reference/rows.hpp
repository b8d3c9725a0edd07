// Rows copied, added and summed between sequences; RowBlock says where row (b, r) lies.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/core/types.hpp>

namespace tessera::reference_detail {

template <class T>
struct RowsOps {
  template <Index D>
  static void copy_rows(Shape<D>, Index batch, Index count, RowBlock<const T> x, View<const T> table, RowBlock<T> y) {
    for_each_row(batch, count, [&](Index b, Index r) {
      for (Index i = 0; i < D; ++i) {
        const T value = x.data[row(x, b, r) * D + i];
        y.data[row(y, b, r) * D + i] = table.empty() ? value : value + table[r * D + i];
      }
    });
  }
  template <Index D>
  static void add_rows(Shape<D>, Index batch, Index count, RowBlock<const T> x, RowBlock<T> y) {
    for_each_row(batch, count, [&](Index b, Index r) {
      for (Index i = 0; i < D; ++i) y.data[row(y, b, r) * D + i] += x.data[row(x, b, r) * D + i];
    });
  }
  template <Index D>
  static void sum_rows(Shape<D>, Index batch, Index count, RowBlock<const T> x, View<T> table, Index step) {
    for_each_row(batch, count, [&](Index b, Index r) {
      for (Index i = 0; i < D; ++i) table[r * step * D + i] += x.data[row(x, b, r) * D + i];
    });
  }

 private:
  template <class U>
  static Index row(const RowBlock<U>& block, Index b, Index r) {
    return b * block.per_image + block.first + r * block.step;
  }
  template <class F>
  static void for_each_row(Index batch, Index count, F&& f) {
    for (Index b = 0; b < batch; ++b) {
      for (Index r = 0; r < count; ++r) f(b, r);
    }
  }
};

}  // namespace tessera::reference_detail
