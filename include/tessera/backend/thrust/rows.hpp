// Rows copied, added and summed between sequences; RowBlock says where row (b, r) lies.
#pragma once

#include <tessera/backend/operations.hpp>
#include <tessera/backend/thrust/launch.hpp>

namespace tessera::thrust_detail {

/// A RowBlock of rows of D values.
template <class T, Index D>
struct RowPointer {
  T* data;
  Index per_image, first, step;

  explicit RowPointer(const RowBlock<T>& block)
      : data(block.data.data()), per_image(block.per_image), first(block.first), step(block.step) {}
  TESSERA_HOST_DEVICE T* operator()(Index b, Index r) const { return data + (b * per_image + first + r * step) * D; }
};

template <class S, Index D>
struct CopyRows {
  Index count;
  RowPointer<const S, D> x;
  const S* table;  // [count, D], or null
  RowPointer<S, D> y;

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index b = i / D / count, r = i / D % count, c = i % D;
    const float value = x(b, r)[c];
    y(b, r)[c] = table == nullptr ? value : value + table[r * D + c];
  }
};

template <class S, Index D>
struct AddRows {
  Index count;
  RowPointer<const S, D> x;
  RowPointer<S, D> y;

  TESSERA_HOST_DEVICE void operator()(Index i) const {
    const Index b = i / D / count, r = i / D % count, c = i % D;
    y(b, r)[c] += x(b, r)[c];
  }
};

/// Of the table's value i and image b.
template <class S, Index D>
struct RowOfImage {
  RowPointer<const S, D> x;
  TESSERA_HOST_DEVICE double operator()(Index i, Index b) const { return static_cast<double>(x(b, i / D)[i % D]); }
};

/// Of column i and row t of all images.
template <class S, Index D>
struct RowOfAll {
  Index count;
  RowPointer<const S, D> x;
  TESSERA_HOST_DEVICE double operator()(Index i, Index t) const {
    return static_cast<double>(x(t / count, t % count)[i]);
  }
};

template <class System>
struct RowsOps {
  using S = typename System::Scalar;

  template <Index D>
  static void copy_rows(Shape<D>, Index batch, Index count, RowBlock<const S> x, View<const S> table, RowBlock<S> y) {
    launch<System>(batch * count * D,
                   CopyRows<S, D>{count, RowPointer<const S, D>(x), optional(table), RowPointer<S, D>(y)});
  }
  template <Index D>
  static void add_rows(Shape<D>, Index batch, Index count, RowBlock<const S> x, RowBlock<S> y) {
    launch<System>(batch * count * D, AddRows<S, D>{count, RowPointer<const S, D>(x), RowPointer<S, D>(y)});
  }
  template <Index D>
  static void sum_rows(Shape<D>, Index batch, Index count, RowBlock<const S> x, View<Wide<S>> table, Index step) {
    const RowPointer<const S, D> rows(x);
    if (step == 0) {
      add_sums<System>(D, batch * count, RowOfAll<S, D>{count, rows}, table.data());
    } else {
      add_sums<System>(count * D, batch, RowOfImage<S, D>{rows}, table.data());
    }
  }
};

}  // namespace tessera::thrust_detail
