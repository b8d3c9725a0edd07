#include <gpu/agreement/encode_with.hpp>

#include <tessera/backend/thrust/cuda.hpp>

namespace tessera::benchmarks {

Encoded encode_on_cuda(View<const float> weights, View<const float> images) {
  return encode_with<cuda>(weights, images);
}

}  // namespace tessera::benchmarks
