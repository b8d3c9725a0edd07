// How fast are the nearest codes found? Of the published codebooks' sizes, for 256 images of 32 and of 128 tokens.
#include <algorithm>

#include <gpu/nearest_code_check.hpp>
#include <gpu/products.hpp>

namespace {

using namespace tessera;
using namespace tessera::benchmarks;

template <class B, Index K, Index C>
void run(const char* format, Shape<K, C> /*codes*/, double rate, Index rows) {
  const std::string name = text("nearest of %td codes of %td, %s, %td rows", K, C, format, rows);
  attempt(name, [&] {
    Nearest<B, K, C> nearest(rows);
    nearest.run();
    check_nearest(nearest);
    const double seconds = gpu_seconds([&] { nearest.run(); });
    const Share share{2.0 * static_cast<double>(rows) * static_cast<double>(K * C) / seconds, rate, format};
    print_row(name, seconds, share.found(), "3 x PyTorch");
  });
}

template <class B>
void run_all(const char* format, Index divisor) {
  const double rate = product_rate<B>();
  for (const Index tokens : {32, 128}) {
    const Index rows = divided(256, divisor) * tokens;
    run<B>(format, shape<4096, 12>, rate, rows);
    run<B>(format, shape<8192, 64>, rate, rows);
    run<B>(format, shape<8192, 16>, rate, rows);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, [](Index divisor) {
    run_all<cuda_bf16>("bf16", divisor);
    run_all<tessera::cuda>("float32", divisor);
  });
}
