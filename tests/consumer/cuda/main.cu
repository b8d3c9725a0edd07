// The GPU's operations, or, without a GPU, an error that says so.
#include <tessera/backend/thrust/cuda.hpp>

int main() {
  using B = tessera::cuda;
  try {
    B::Buffer<float> values(1000);
    B::fill(0.5F, values.view());
    return B::sum(values.view()) == 500.0 ? 0 : 1;
  } catch (const tessera::Error& error) {
    return error.code() == tessera::ErrorCode::device ? 0 : 2;
  }
}
