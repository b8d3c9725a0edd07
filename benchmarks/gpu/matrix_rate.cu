// How fast are the card's matrix products? By cuBLASLt, on random values, in each format.
#include <gpu/products.hpp>

namespace {

using namespace tessera;
using namespace tessera::benchmarks;

template <class B>
void run(const char* format, cublasComputeType_t compute, double tolerance, Index divisor) {
  for (const Index size : {4096, 6144, 8192}) {
    const std::string name = text("product, %s, %td cubed", format, divided(size, divisor));
    attempt(name, [&] {
      Product<B> product(divided(size, divisor), compute);
      product.run();
      product.check(tolerance);
      const auto [flops_per_second, seconds] = product.rate();
      print_row(name, seconds, text("%.4g TFLOP/s", flops_per_second * 1e-12));
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, [](Index divisor) {
    run<cuda_bf16>("bf16", CUBLAS_COMPUTE_32F, 2e-2, divisor);
    run<cuda_tf32>("tf32", CUBLAS_COMPUTE_32F_FAST_TF32, 2e-3, divisor);
    run<tessera::cuda>("float32", CUBLAS_COMPUTE_32F, 1e-5, divisor);
  });
}
