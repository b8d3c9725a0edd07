// The published pixel decoder alone (MaskGIT-VQGAN's, 16 x 16 codes -> 256 x 256 pixels), as a share of the machine's
// peak of fused multiply-adds.
//   pixel_decoder [threads]
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <tessera/backend/cpu/cpu.hpp>
#include <tessera/flops.hpp>
#include <tessera/nn/forward_weights.hpp>
#include <tessera/nn/initialize.hpp>
#include <tessera/nn/pixel_decoder.hpp>
#include <tessera/presets.hpp>
#include <utility>

#include "products.hpp"

int main(int argc, char** argv) {
  using namespace tessera;
  constexpr Config model = presets::titok_s128;
  constexpr Index side = model.image.height / model.patch_size, channels = model.channels;
  constexpr PixelDecoderConfig config = model.pixel_decoder;
  using Decoder = PixelDecoder<config, side, side, channels>;
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;

  Decoder::Tensors<const float> tensors;
  ParameterLister lister;
  tensors.visit(lister);
  ParameterCounter count;
  tensors.visit(count);
  benchmarks::Floats values(count.size);
  initialize(lister.parameters, values.view(), 1);
  const ParameterSource source = [&](const Parameter& p) { return slice(std::as_const(values).view(), p); };
  const ForwardWeights<cpu> weights(tensors, lister.parameters, source);

  Decoder::Saved<float> saved;
  BufferCounter<float> work_values;
  saved.visit(work_values, 1, false);
  benchmarks::Floats work(work_values.size);
  BufferBinder<float> binder(work.data());
  saved.visit(binder, 1, false);

  const benchmarks::Floats codes = benchmarks::random_floats(side * side * config.z_channels, 1);
  benchmarks::Floats image(model.image_values());
  const auto decode = [&] { Decoder::forward<cpu>(tensors, 1, codes.view(), saved, image.view()); };
  decode();
  for (const float x : image.view()) {
    if (std::isfinite(x)) continue;
    std::printf("pixel decoder: a result is not finite\n");
    return 1;
  }
  benchmarks::print_header("operation", threads);
  const double flops = 2.0 * detail::pixel_decoder_products(config, side * side, channels);
  benchmarks::time("pixel decoder, 256 x 256 x 3", threads, flops, decode);
}
