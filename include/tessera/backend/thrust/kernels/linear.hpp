// y = x W^T + bias and its gradients by the GPU library's matrix product. It adds the bias and the residual; its GELU
// is the tanh approximation, so that the exact one follows in a call of its own.
#pragma once

#include <tessera/backend/thrust/kernels/bias_gradient.hpp>
#include <tessera/backend/thrust/kernels/gelu.hpp>
#include <tessera/backend/thrust/matrix_product.hpp>

namespace tessera::thrust_detail {

/// Weights are multiplied as they are: packing copies them.
template <class System>
struct KernelLinearOps {
  using S = typename System::Scalar;

  template <Index In, Index Out>
  static constexpr Index packed_weight_size(Shape<In, Out>) {
    return In * Out;
  }
  template <Index In, Index Out>
  static void pack_weight(Shape<In, Out>, View<const S> weight, View<S> packed) {
    launch<System>(In * Out, Convert<S, S>{weight.data(), packed.data()});
  }
  template <Index In, Index Out>
  static void pack_weight_transposed(Shape<In, Out>, View<const S> weight, View<S> packed) {
    pack_weight(shape<In, Out>, weight, packed);
  }

  template <Index In, Index Out>
  static void linear(Shape<In, Out>, Index rows, View<const S> x, View<const S> packed, LinearEpilogue<S> epilogue,
                     View<S> y) {
    const S* residual = optional(epilogue.residual);
    MatrixProduct<S, S> product{.rows = rows,
                                .columns = Out,
                                .depth = In,
                                .a = x.data(),
                                .b = packed.data(),
                                .c = y.data(),
                                .b_transposed = true,
                                .bias = optional(epilogue.bias)};
    if (!epilogue.gelu) {
      product.residual = residual;
      return System::multiply(product);
    }
    multiply_aside(product, residual, [&](const S* pre) {
      Gelu<System, Out>::values(rows, pre, residual, optional(epilogue.gelu_slope), y.data());
    });
  }
  template <Index In, Index Out>
  static void linear_backward_input(Shape<In, Out>, Index rows, View<const S> dy, View<const S> packed,
                                    LinearBackwardEpilogue<S> epilogue, View<S> dx) {
    const S* residual = optional(epilogue.residual);
    MatrixProduct<S, S> product{
        .rows = rows, .columns = In, .depth = Out, .a = dy.data(), .b = packed.data(), .c = dx.data()};
    if (epilogue.gelu_slope.empty()) {
      product.residual = residual;
      return System::multiply(product);
    }
    multiply_aside(product, residual, [&](const S* products) {
      Gelu<System, In>::gradients(rows, products, epilogue.gelu_slope.data(), residual, dx.data());
    });
  }

  template <Index In, Index Out>
  static constexpr Index linear_backward_scratch(Shape<In, Out>, Index /*rows*/) {
    return 0;
  }
  template <Index In, Index Out>
  static void linear_backward_weight(Shape<In, Out>, Index rows, View<const S> x, View<const S> dy, View<S> /*scratch*/,
                                     View<Wide<S>> dweight, View<Wide<S>> dbias) {
    System::multiply(MatrixProduct<S, Wide<S>>{.rows = Out,
                                               .columns = In,
                                               .depth = rows,
                                               .a = dy.data(),
                                               .b = x.data(),
                                               .c = dweight.data(),
                                               .a_transposed = true,
                                               .residual = dweight.data()});
    if (!dbias.empty()) add_bias_gradient<System, Out>(rows, dy, dbias);
  }

 private:
  /// f(products), which lie where the result will be, unless the residual is still there: no layer asks for that.
  template <class F>
  static void multiply_aside(MatrixProduct<S, S> product, const S* residual, F&& f) {
    auto aside = System::template scratch<S>(residual == product.c ? product.rows * product.columns : 0);
    if (aside.size() > 0) product.c = aside.view().data();
    System::multiply(product);
    f(product.c);
  }
};

}  // namespace tessera::thrust_detail
