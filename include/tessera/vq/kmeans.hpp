// Codes from data: k-means++ seeding (Arthur and Vassilvitskii 2007), then Lloyd's iterations.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <tessera/backend/concept.hpp>
#include <tessera/core/copy.hpp>
#include <tessera/core/parallel.hpp>
#include <tessera/core/random.hpp>

namespace tessera {

namespace detail {

/// The squared distance of every point to the nearest centre so far, kept up to date as centres are added.
class NearestDistances {
 public:
  /// points [rows, C], stored here as [C, rows] so that the loop over points is the vectorized one.
  NearestDistances(View<const float> points, Index rows, Index C)
      : rows_(rows), C_(C), transposed_(points.size()), distance_(static_cast<std::size_t>(rows), infinity) {
    for (Index r = 0; r < rows; ++r) {
      for (Index c = 0; c < C; ++c) {
        transposed_[static_cast<std::size_t>(c * rows + r)] = points[static_cast<std::size_t>(r * C + c)];
      }
    }
  }

  void add_centre(const float* centre) {
    constexpr Index block = 1024;
    parallel_for(ceil_div(rows_, block), [&](Index b) {
      const Index begin = b * block, count = std::min(block, rows_ - begin);
      float sum[block] = {};
      for (Index c = 0; c < C_; ++c) {
        const float* x = transposed_.data() + c * rows_ + begin;
        for (Index i = 0; i < count; ++i) sum[i] += (x[i] - centre[c]) * (x[i] - centre[c]);
      }
      float* distance = distance_.data() + begin;
      for (Index i = 0; i < count; ++i) distance[i] = std::min(distance[i], sum[i]);
    });
  }

  /// A point drawn with probability in proportion to its squared distance; any point when all are zero.
  [[nodiscard]] Index draw(Random& random) const {
    double total = 0;
    for (const float d : distance_) total += static_cast<double>(d);
    double rest = random.uniform() * total;
    for (Index r = 0; r < rows_; ++r) {
      rest -= static_cast<double>(distance_[static_cast<std::size_t>(r)]);
      if (rest < 0) return r;
    }
    return random.below(rows_);
  }

 private:
  static constexpr float infinity = std::numeric_limits<float>::infinity();
  Index rows_, C_;
  std::vector<float> transposed_, distance_;
};

}  // namespace detail

/// points [rows, C], rows >= 1 -> codes [K, C].
inline void kmeans_plus_plus(View<const float> points, Index rows, Index C, View<float> codes, Random random) {
  const Index K = static_cast<Index>(codes.size()) / C;
  detail::NearestDistances nearest(points, rows, C);
  for (Index k = 0; k < K; ++k) {
    const Index chosen = k == 0 ? random.below(rows) : nearest.draw(random);
    copy_values(points.data() + chosen * C, C, codes.data() + k * C);
    nearest.add_centre(codes.data() + k * C);
  }
}

/// Lloyd's iterations: each code becomes the mean of the points nearest to it; one without points stays.
template <Backend B, Index K, Index C>
void kmeans(View<const float> points, Index rows, View<float> codes, Index iterations) {
  using S = typename B::Scalar;
  typename B::template Buffer<S> z(rows * C), device_codes(K * C), packed(B::packed_codes_size(shape<K, C>));
  typename B::template Buffer<Token> device_ids(rows);
  std::vector<Token> ids(static_cast<std::size_t>(rows));
  B::upload(points, z.view());
  for (Index i = 0; i < iterations; ++i) {
    B::upload(codes, device_codes.view());
    B::pack_codes(shape<K, C>, device_codes.view(), packed.view());
    B::nearest_code(shape<K, C>, rows, z.view(), packed.view(), device_ids.view(), View<Wide<S>>());
    B::download_tokens(device_ids.view(), ids);
    std::vector<double> sums(static_cast<std::size_t>(K * C));
    std::vector<std::int64_t> counts(static_cast<std::size_t>(K));
    for (Index r = 0; r < rows; ++r) {
      const Index k = ids[static_cast<std::size_t>(r)];
      ++counts[static_cast<std::size_t>(k)];
      for (Index c = 0; c < C; ++c) {
        sums[static_cast<std::size_t>(k * C + c)] += static_cast<double>(points[static_cast<std::size_t>(r * C + c)]);
      }
    }
    for (Index k = 0; k < K; ++k) {
      const auto count = static_cast<double>(counts[static_cast<std::size_t>(k)]);
      if (count == 0) continue;
      for (Index c = 0; c < C; ++c) {
        codes[static_cast<std::size_t>(k * C + c)] =
            static_cast<float>(sums[static_cast<std::size_t>(k * C + c)] / count);
      }
    }
  }
}

}  // namespace tessera
