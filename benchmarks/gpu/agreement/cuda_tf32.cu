#include <gpu/agreement/encode_with.hpp>

#include <tessera/backend/thrust/cuda.hpp>

namespace tessera::benchmarks {

Encoded encode_on_cuda_tf32(View<const float> weights, View<const float> images) {
  return encode_with<cuda_tf32>(weights, images);
}

}  // namespace tessera::benchmarks
