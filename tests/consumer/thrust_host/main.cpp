// The operations of a GPU, on the processor.
#include <tessera/backend/thrust/thrust_host.hpp>

int main() {
  using B = tessera::thrust_host;
  B::Buffer<float> values(1000);
  B::fill(0.5F, values.view());
  return B::sum(values.view()) == 500.0 ? 0 : 1;
}
