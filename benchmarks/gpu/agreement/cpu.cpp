#include <gpu/agreement/encode_with.hpp>

namespace tessera::benchmarks {

Encoded encode_on_cpu(View<const float> weights, View<const float> images) {
  return encode_with<cpu>(weights, images);
}

}  // namespace tessera::benchmarks
