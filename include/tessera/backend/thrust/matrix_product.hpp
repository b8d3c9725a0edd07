// What a library's matrix product is asked for.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::thrust_detail {

/// c = residual + op(a) op(b) + bias, dense and row-major; sums in float32. Where rows or depth are 0, nothing is done.
template <class S, class Output>
struct MatrixProduct {
  Index rows, columns, depth;
  const S* a;  // [rows, depth], or, where a_transposed, [depth, rows]
  const S* b;  // [depth, columns], or, where b_transposed, [columns, depth]
  Output* c;   // [rows, columns]
  bool a_transposed = false, b_transposed = false;
  const S* bias = nullptr;           // [columns]; these two: null where absent
  const Output* residual = nullptr;  // [rows, columns]; may be c
};

}  // namespace tessera::thrust_detail
