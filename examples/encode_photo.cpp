// Encodes one photograph: encode_photo MODEL PHOTO, where MODEL is one of the preset demo_128.
#include <cstdio>
#include <exception>

#include <tessera/data/model_pixels.hpp>
#include <tessera/data/resize.hpp>
#include <tessera/io/image.hpp>
#include <tessera/tessera.hpp>

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: encode_photo MODEL PHOTO\n"), 2;
  try {
    constexpr tessera::Config config = tessera::presets::demo_128;
    auto tokenizer = tessera::Tokenizer<config>::load(argv[1]);

    const tessera::Pixels photo = tessera::read_image(argv[2]);
    const tessera::Pixels square =
        tessera::resize_and_crop(photo, config.image.height, config.image.width, tessera::Filter::bicubic);
    tessera::Image image({3, config.image.height, config.image.width});
    tessera::to_model_range(config, square, {image.data(), image.size()});

    for (const tessera::Token id : tokenizer.encode(image)) std::printf("%d ", id);
    std::printf("\n");
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "encode_photo: %s\n", error.what()), 1;
  }
}
