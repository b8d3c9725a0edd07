// How fast is attention, forward and backward, of heads of 64 values? At titok_b64's rows and at longer ones.
#include <gpu/attention_check.hpp>
#include <gpu/products.hpp>

namespace {

using namespace tessera;
using namespace tessera::benchmarks;

template <class B>
void run(const char* format, Index tokens, double tolerance, double rate, Index divisor) {
  const Index batch = divided(16384 / tokens, divisor);
  const std::string of = text(", %s, %td x %td tokens", format, batch, tokens);
  const double target = tokens >= 1024 ? 60 : 0;
  attempt("attention" + of, [&] {
    AttentionArrays<B> attention(batch, tokens);
    attention.forward();
    attention.backward();
    check_attention(attention, tolerance);
    const double forward_flops = attention.forward_flops(), backward_flops = 2.5 * forward_flops;
    const double forward = gpu_seconds([&] { attention.forward(); });
    print_share("attention" + of, forward, {forward_flops / forward, rate, format}, target);
    const double backward = gpu_seconds([&] { attention.backward(); });
    print_share("attention backward" + of, backward, {backward_flops / backward, rate, format}, target);
  });
}

template <class B>
void run_all(const char* format, double tolerance, Index divisor) {
  const double rate = product_rate<B>();
  for (const Index tokens : {321, 1024, 4096}) run<B>(format, tokens, tolerance, rate, divisor);
}

}  // namespace

int main(int argc, char** argv) {
  return run_program(argc, argv, [](Index divisor) {
    run_all<cuda_bf16>("bf16", 5e-3, divisor);
    run_all<tessera::cuda>("float32", 5e-6, divisor);
  });
}
