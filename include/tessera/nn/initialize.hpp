// Random start values, by name and shape.
#pragma once

#include <cmath>

#include <tessera/core/layout.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/core/random.hpp>

namespace tessera {

namespace detail {

inline void fill_normal(View<float> values, double deviation, Random& random) {
  for (float& v : values) v = static_cast<float>(deviation * random.normal());
}

/// The output convolution starts as the identity, so that training starts from the patches themselves.
inline void fill_identity_convolution(View<float> values, Index channels) {
  for (Index c = 0; c < channels; ++c) values[static_cast<std::size_t>((c * channels + c) * 9 + 4)] = 1.0F;
}

}  // namespace detail

/// The scheme of the published code: matrices N(0, 0.02), embeddings N(0, 1 / width), convolutions of feature maps of
/// torch's default deviation, norms 1, biases 0, codes uniform in +-1 / K; the output convolution is the identity.
/// `values`: the parameter's own, already zero.
inline void initialize_parameter(const Parameter& parameter, View<float> values, Random random) {
  const std::string_view name = parameter.name;
  const Dims& dims = parameter.dims;
  const auto ends_with = [&](std::string_view end) { return name.ends_with(end); };
  const auto contains = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
  if (ends_with("bias")) return;
  if (contains(".ln_") || contains(".norm")) {
    for (float& v : values) v = 1.0F;
  } else if (contains("quantize")) {
    const double bound = 1.0 / static_cast<double>(dims.size[0]);
    for (float& v : values) v = static_cast<float>(bound * (2.0 * random.uniform() - 1.0));
  } else if (name == "decoder.conv_out.weight") {
    detail::fill_identity_convolution(values, dims.size[0]);
  } else if (name.starts_with("pixel_decoder.")) {
    const double inputs = static_cast<double>(dims.count() / dims.size[0]);
    detail::fill_normal(values, 1.0 / std::sqrt(3.0 * inputs), random);
  } else if (contains("embedding") || contains("token")) {
    const Index width = dims.size[static_cast<std::size_t>(dims.rank - 1)];
    detail::fill_normal(values, 1.0 / std::sqrt(static_cast<double>(width)), random);
  } else {
    detail::fill_normal(values, 0.02, random);
  }
}

/// Fills a whole zeroed parameter buffer; each tensor's values depend on seed and its place in the list alone.
inline void initialize(const std::vector<Parameter>& parameters, View<float> buffer, std::uint64_t seed) {
  parallel_for(static_cast<Index>(parameters.size()), [&](Index i) {
    const Parameter& p = parameters[static_cast<std::size_t>(i)];
    initialize_parameter(p, slice(buffer, p), Random(seed, 0x9A3A, static_cast<std::uint64_t>(i)));
  });
}

}  // namespace tessera
