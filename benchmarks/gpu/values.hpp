// Random inputs: a card runs faster on zeros.
#pragma once

#include <cmath>
#include <string_view>
#include <vector>

#include <tessera/core/parallel.hpp>
#include <tessera/core/random.hpp>
#include <tessera/model.hpp>

namespace tessera::benchmarks {

/// f(begin, end, random) for pieces of [0, count), each with numbers of its own.
template <class F>
void for_random_pieces(Index count, std::uint64_t seed, F&& f) {
  constexpr Index piece = Index{1} << 16;
  parallel_for(ceil_div(count, piece), [&](Index i) {
    Random random(seed, 0, static_cast<std::uint64_t>(i));
    f(i * piece, std::min(count, (i + 1) * piece), random);
  });
}

/// Standard normal numbers times `deviation`.
inline void fill_normal(View<float> values, std::uint64_t seed, double deviation = 1.0) {
  for_random_pieces(static_cast<Index>(values.size()), seed, [&](Index begin, Index end, Random& random) {
    for (float& x : slice(values, begin, end - begin)) x = static_cast<float>(deviation * random.normal());
  });
}

inline std::vector<float> normal_values(Index count, std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(count));
  fill_normal(values, seed);
  return values;
}

/// A backend's own copy of `values`.
template <class B>
auto uploaded(View<const float> values) {
  typename B::template Buffer<typename B::Scalar> there(static_cast<Index>(values.size()));
  B::upload(values, there.view());
  return there;
}
/// What it holds, after rounding.
template <class B, class Buffer>
std::vector<float> downloaded(const Buffer& there) {
  std::vector<float> values(static_cast<std::size_t>(there.size()));
  B::download(there.view(), values);
  return values;
}

/// Weights that keep magnitudes, so that every layer and the image matter to the tokens; a model before its training is
/// nearly blind.
template <Config config>
std::vector<float> random_weights(std::uint64_t seed) {
  std::vector<float> weights(static_cast<std::size_t>(ParameterTable<config>::size));
  for (const Parameter& p : ParameterTable<config>::parameters()) {
    const std::string_view name = p.name;
    const auto contains = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
    const View<float> values = slice(View<float>(weights), p);
    const auto seed_here = seed + static_cast<std::uint64_t>(p.offset);
    const bool norm = contains(".ln_") || contains("norm");
    if (norm) {
      fill_normal(values, seed_here, 0.1);
      if (name.ends_with("weight")) {
        for (float& x : values) x += 1.0F;
      }
    } else if (name.ends_with("bias")) {
      fill_normal(values, seed_here, 0.05);
    } else if (contains("quantize")) {
      fill_normal(values, seed_here);
    } else if (contains("embedding") || contains("token")) {
      fill_normal(values, seed_here, 0.5);
    } else {
      // Attention that looks at some patches more than at others: of equal means, images would have equal tokens.
      const double gain = contains("in_proj") ? 2.0 : 1.0;
      fill_normal(values, seed_here, gain / std::sqrt(static_cast<double>(p.dims.count() / p.dims.size[0])));
    }
  }
  return weights;
}

/// Images [count, C, H, W] in [0, 1]: noise on squares of 32 x 32 in a colour each, so that no two look alike to a
/// model.
template <Config config>
std::vector<float> pictures(Index count, std::uint64_t seed) {
  constexpr Index square = 32, H = config.image.height, W = config.image.width;
  constexpr Index across = ceil_div(W, square), squares = ceil_div(H, square) * across;
  std::vector<float> images(static_cast<std::size_t>(count * config.image_values()));
  parallel_for(count * config.channels, [&](Index plane) {
    Random random(seed, 1, static_cast<std::uint64_t>(plane));
    float colours[squares];
    for (float& x : colours) x = static_cast<float>(random.uniform());
    for (Index y = 0; y < H; ++y) {
      for (Index x = 0; x < W; ++x) {
        const float noise = static_cast<float>(random.uniform());
        images[static_cast<std::size_t>((plane * H + y) * W + x)] =
            0.75F * colours[y / square * across + x / square] + 0.25F * noise;
      }
    }
  });
  return images;
}

}  // namespace tessera::benchmarks
