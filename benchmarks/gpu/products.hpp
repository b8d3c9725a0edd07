// The rate of the card's matrix products, by cuBLASLt on random values: what speeds are shares of.
#pragma once

#include <string>

#include <tessera/backend/thrust/cuda.hpp>

#include <gpu/rows.hpp>
#include <gpu/timing.hpp>
#include <gpu/values.hpp>

namespace tessera::benchmarks {

/// y = x W^T, `size` cubed, as a linear layer's.
template <class B>
class Product {
  using S = typename B::Scalar;

 public:
  Product(Index size, cublasComputeType_t compute)
      : size_(size),
        compute_(compute),
        x_(uploaded<B>(normal_values(size * size, 1))),
        weight_(uploaded<B>(normal_values(size * size, 2))),
        y_(size * size) {}

  void run() {
    thrust_detail::cublaslt_multiply(thrust_detail::MatrixProduct<S, S>{.rows = size_,
                                                                        .columns = size_,
                                                                        .depth = size_,
                                                                        .a = x_.view().data(),
                                                                        .b = weight_.view().data(),
                                                                        .c = y_.view().data(),
                                                                        .b_transposed = true},
                                     compute_);
  }

  /// Throws where a value is further off than its rounding explains. tolerance: of values that are some
  /// sqrt(size) large.
  void check(double tolerance) const {
    const std::vector<float> x = downloaded<B>(x_), weight = downloaded<B>(weight_), y = downloaded<B>(y_);
    for (Index n = 0; n < 100; ++n) {
      const Index row = n * 7919 % size_, column = n * 104729 % size_;
      double sum = 0;
      for (Index k = 0; k < size_; ++k) {
        sum += static_cast<double>(x[row * size_ + k]) * static_cast<double>(weight[column * size_ + k]);
      }
      const double error = std::abs(sum - static_cast<double>(y[row * size_ + column]));
      require(error <= tolerance * std::sqrt(static_cast<double>(size_)), text("a product of size %td", size_));
    }
  }

  /// Operations a second, and the seconds of one product.
  std::pair<double, double> rate() {
    const double seconds = gpu_seconds([this] { run(); }), size = static_cast<double>(size_);
    return {2 * size * size * size / seconds, seconds};
  }

 private:
  Index size_;
  cublasComputeType_t compute_;
  typename B::template Buffer<S> x_, weight_, y_;
};

/// The rate that speeds in B's format are shares of: the better of two sizes that fill a card.
template <class B>
double product_rate(cublasComputeType_t compute = CUBLAS_COMPUTE_32F) {
  return std::max(Product<B>(4096, compute).rate().first, Product<B>(8192, compute).rate().first);
}

}  // namespace tessera::benchmarks
