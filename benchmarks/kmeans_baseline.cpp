// How well do k codes for raw patches copy photographs? kmeans_baseline TRAIN HELDOUT
#include <bit>
#include <cstdio>
#include <exception>

#include "patch_kmeans.hpp"

namespace {

using namespace tessera;
using namespace tessera::benchmarks;

template <Index P, Index K>
void measure(View<const float> patches, const std::vector<Pixels>& images) {
  const AlignedBuffer<float> codes = train_codes<P, K>(patches, 20);
  const Quality quality = mean_quality(images, reconstruct<P, K>(images, codes.view()));
  const int bits = std::bit_width(static_cast<unsigned>(K - 1)), tokens = side / P * (side / P);
  std::printf("%5d %6d %8d %8d %10.2f %8.3f\n", static_cast<int>(P), static_cast<int>(K), tokens, tokens * bits,
              quality.psnr, quality.ssim);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s TRAIN HELDOUT (folders of photographs: see examples/photos.sh)\n", argv[0]);
    return 2;
  }
  try {
    constexpr Index count = 200000;
    const auto photos = pyramids(argv[1]);
    const auto images = centre_crops(argv[2]);
    std::printf("%zu photographs to learn from, %zu to measure\n", photos.size(), images.size());
    std::printf("patch  codes   tokens     bits  PSNR (dB)     SSIM\n");
    {
      const AlignedBuffer<float> patches = random_patches<8>(photos, count);
      measure<8, 256>(patches.view(), images);
      measure<8, 1024>(patches.view(), images);
      measure<8, 4096>(patches.view(), images);
    }
    const AlignedBuffer<float> patches = random_patches<16>(photos, count);
    measure<16, 256>(patches.view(), images);
    measure<16, 1024>(patches.view(), images);
    measure<16, 4096>(patches.view(), images);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
