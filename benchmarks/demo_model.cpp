// Is the demo model better than k-means on raw patches at the same bits an image?
//   demo_model MODEL TRAIN HELDOUT
// Prints PSNR and SSIM of both on the photographs in HELDOUT, and how many of the model's codes are in use.
#include <cstdio>
#include <exception>
#include <set>

#include <tessera/data/model_pixels.hpp>
#include <tessera/presets.hpp>
#include <tessera/tokenizer.hpp>

#include "patch_kmeans.hpp"

namespace {

using namespace tessera;
using namespace tessera::benchmarks;

constexpr Config config = presets::demo_128;
static_assert(config.image == ImageSize{side, side}, "the crops are the model's size");
using Model128 = Tokenizer<config>;

std::vector<float> to_model(const Pixels& pixels) {
  std::vector<float> values(static_cast<std::size_t>(config.image_values()));
  to_model_range(config, pixels, values);
  return values;
}

std::vector<Pixels> reconstruct_with_model(Model128& model, const std::vector<Pixels>& images) {
  std::vector<Pixels> copies;
  for (const Pixels& image : images) {
    std::vector<float> values = to_model(image);
    Model128::Tokens tokens;
    model.encode(View<const float>(values), View<Token>(tokens));
    model.decode(View<const Token>(tokens), View<float>(values));
    copies.push_back(to_pixels(config, values));
  }
  return copies;
}

/// The share of codes chosen at least once over all levels of all photographs, crop beside crop.
double codes_in_use(Model128& model, const std::vector<std::vector<Pixels>>& photos) {
  std::set<Token> used;
  for (const auto& levels : photos) {
    for (const Pixels& image : levels) {
      for (Index y = 0; y + side <= image.height; y += side) {
        for (Index x = 0; x + side <= image.width; x += side) {
          Pixels crop(side, side);
          copy_patch<side>(image, y, x, crop.values.data());
          const std::vector<float> values = to_model(crop);
          Model128::Tokens tokens;
          model.encode(View<const float>(values), View<Token>(tokens));
          used.insert(tokens.begin(), tokens.end());
        }
      }
    }
  }
  return static_cast<double>(used.size()) / static_cast<double>(config.codebook_size);
}

void print(const char* name, Quality quality) {
  std::printf("%-24s %10.2f %8.3f\n", name, quality.psnr, quality.ssim);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s MODEL TRAIN HELDOUT (folders of photographs: see examples/photos.sh)\n", argv[0]);
    return 2;
  }
  try {
    constexpr Index P = config.patch_size, K = config.codebook_size;
    static_assert(config.latent_tokens == 0, "one token a patch on both sides: the bits are the same");
    Model128 model = Model128::load(argv[1]);
    const auto photos = pyramids(argv[2]);
    const auto images = centre_crops(argv[3]);
    const AlignedBuffer<float> patches = random_patches<P>(photos, 200000);
    const AlignedBuffer<float> codes = train_codes<P, K>(patches.view(), 20);
    const Quality baseline = mean_quality(images, reconstruct<P, K>(images, codes.view()));
    const Quality learned = mean_quality(images, reconstruct_with_model(model, images));
    std::printf("%zu held-out photographs, %d bits an image\n", images.size(),
                static_cast<int>(config.bits_per_image()));
    std::printf("%-24s  PSNR (dB)     SSIM\n", "");
    print("k-means on raw patches", baseline);
    print("demo model", learned);
    std::printf("difference %+.2f dB; the photographs of TRAIN use %.1f%% of the codes\n", learned.psnr - baseline.psnr,
                100 * codes_in_use(model, photos));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
