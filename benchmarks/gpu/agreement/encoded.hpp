// titok_b64 on one set of random weights and images, encoded by each backend in a
// file of its own: main.cpp compares.
#pragma once

#include <vector>

#include <tessera/presets.hpp>

namespace tessera::benchmarks {

inline constexpr Config agreement_config = presets::titok_b64;

struct Encoded {
  std::vector<Token> ids;      // [images, T]
  std::vector<float> margins;  // [images, T]
  std::vector<float> latents;  // [images, T, code_dim]
};

/// weights: ParameterTable's; images [images, C, H, W].
Encoded encode_on_cpu(View<const float> weights, View<const float> images);
Encoded encode_on_cuda(View<const float> weights, View<const float> images);
Encoded encode_on_cuda_tf32(View<const float> weights, View<const float> images);
Encoded encode_on_cuda_bf16(View<const float> weights, View<const float> images);

}  // namespace tessera::benchmarks
