// The baseline that a learned tokenizer has to beat: k-means on raw patches, one code a patch.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>
#include <vector>

#include <tessera/backend/cpu/cpu.hpp>
#include <tessera/core/buffer.hpp>
#include <tessera/core/random.hpp>
#include <tessera/data/image_folder.hpp>
#include <tessera/data/resize.hpp>
#include <tessera/io/image.hpp>
#include <tessera/metrics/psnr.hpp>
#include <tessera/metrics/ssim.hpp>
#include <tessera/vq/kmeans.hpp>

namespace tessera::benchmarks {

inline constexpr Index side = 128;  // of every crop

/// Means over images: per-image values of 8-bit pixels.
struct Quality {
  double psnr = 0, ssim = 0;
};

inline Quality mean_quality(const std::vector<Pixels>& originals, const std::vector<Pixels>& copies) {
  Quality sum;
  for (std::size_t i = 0; i < originals.size(); ++i) {
    sum.psnr += psnr(View<const std::uint8_t>(originals[i].values), View<const std::uint8_t>(copies[i].values), 255.0);
    sum.ssim += ssim(originals[i], copies[i]);
  }
  const auto count = static_cast<double>(originals.size());
  return {sum.psnr / count, sum.ssim / count};
}

/// The crops that reconstructions are measured on: shorter edge to `side`, centre.
inline std::vector<Pixels> centre_crops(const std::filesystem::path& folder) {
  std::vector<Pixels> crops;
  for (const auto& path : list_images(folder).files) {
    crops.push_back(resize_and_crop(read_image(path), side, side, Filter::bicubic));
  }
  return crops;
}

/// Every photograph at several sizes, as far as it is large enough, so that patches show detail and overview.
inline std::vector<std::vector<Pixels>> pyramids(const std::filesystem::path& folder) {
  std::vector<std::vector<Pixels>> all;
  for (const auto& path : list_images(folder).files) {
    const Pixels photo = read_image(path);
    const Index shorter = std::min(photo.height, photo.width);
    std::vector<Pixels>& levels = all.emplace_back();
    for (const Index size : {128, 160, 192, 256, 384}) {
      if (size > side && size > shorter) break;
      levels.push_back(resize(photo, photo.height * size / shorter, photo.width * size / shorter, Filter::bicubic));
    }
  }
  return all;
}

/// The P x P x 3 values at (y, x) -> out.
template <Index P, class T>
void copy_patch(const Pixels& image, Index y, Index x, T* out) {
  for (Index row = 0; row < P; ++row) out = std::copy_n(image.row(y + row) + 3 * x, 3 * P, out);
}

/// `count` patches [count, P * P * 3] from random places; coarse levels are drawn more often, as the crops that are
/// measured are coarse.
template <Index P>
AlignedBuffer<float> random_patches(const std::vector<std::vector<Pixels>>& photos, Index count) {
  constexpr Index C = P * P * 3;
  AlignedBuffer<float> patches(count * C);
  Random random(1);
  for (Index i = 0; i < count; ++i) {
    const auto& levels = photos[static_cast<std::size_t>(random.below(static_cast<Index>(photos.size())))];
    const Index n = static_cast<Index>(levels.size());
    const Pixels& image = levels[static_cast<std::size_t>(std::min(random.below(n), random.below(n)))];
    const Index y = random.below(image.height - P + 1), x = random.below(image.width - P + 1);
    copy_patch<P>(image, y, x, patches.view().data() + i * C);
  }
  return patches;
}

/// K codes from the patches: k-means++ on the first 40,000, which is enough to seed, then Lloyd's iterations on all.
template <Index P, Index K>
AlignedBuffer<float> train_codes(View<const float> patches, Index iterations) {
  constexpr Index C = P * P * 3;
  const Index rows = static_cast<Index>(patches.size()) / C, seeds = std::min<Index>(rows, 40000);
  AlignedBuffer<float> codes(K * C);
  kmeans_plus_plus(patches.first(static_cast<std::size_t>(seeds * C)), seeds, C, codes.view(), Random(2));
  kmeans<cpu, K, C>(patches, rows, codes.view(), iterations);
  return codes;
}

/// Every patch replaced by its nearest code, rounded to 8 bits.
template <Index P, Index K>
std::vector<Pixels> reconstruct(const std::vector<Pixels>& images, View<const float> codes) {
  constexpr Index C = P * P * 3, across = side / P, rows = across * across;
  AlignedBuffer<float> packed(cpu::packed_codes_size(shape<K, C>)), patches(rows * C);
  std::vector<Token> ids(static_cast<std::size_t>(rows));
  cpu::pack_codes(shape<K, C>, codes, packed.view());
  std::vector<Pixels> copies;
  for (const Pixels& image : images) {
    for (Index n = 0; n < rows; ++n) {
      copy_patch<P>(image, n / across * P, n % across * P, patches.view().data() + n * C);
    }
    cpu::nearest_code(shape<K, C>, rows, View<const float>(patches.view()), View<const float>(packed.view()),
                      View<Token>(ids), View<float>());
    Pixels& copy = copies.emplace_back(side, side);
    for (Index n = 0; n < rows; ++n) {
      const float* code = codes.data() + ids[static_cast<std::size_t>(n)] * C;
      for (Index row = 0; row < P; ++row, code += 3 * P) {
        std::transform(code, code + 3 * P, copy.row(n / across * P + row) + n % across * P * 3,
                       [](float v) { return static_cast<std::uint8_t>(std::lround(std::clamp(v, 0.0F, 255.0F))); });
      }
    }
  }
  return copies;
}

}  // namespace tessera::benchmarks
