// y = silu(group_norm(x)), silu(v) = v / (1 + exp(-v)). Wu and He 2018, arXiv:1803.08494; Hendrycks and Gimpel 2016,
// arXiv:1606.08415. x [batch, pixels, C], C in G groups of neighbouring channels; one image after the other. Sums run
// in float over blocks of 64 pixels, whose results are added in double, in 16 slots of consecutive blocks, and then
// slot after slot.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>

#include <tessera/backend/cpu/loops.hpp>
#include <tessera/backend/cpu/vector_math.hpp>

namespace tessera::cpu_detail {

/// The number of some values, their mean, and the sum of their squared distances from it.
struct Moments {
  double count = 0;
  double mean = 0;
  double squares = 0;

  /// Those of both sets. Chan, Golub and LeVeque 1983, doi:10.1080/00031305.1983.10483115.
  void add(const Moments& other) {
    const double total = count + other.count;
    const double distance = other.mean - mean;
    mean += distance * (other.count / total);
    squares += other.squares + distance * distance * (count * other.count / total);
    count = total;
  }
};

template <class Arch>
struct GroupNormOps {
  using V = Lanes<Arch>;

  template <Index C, Index G>
  static void group_norm_silu(Shape<C, G>, Index batch, Index pixels, View<const float> x, View<const float> weight,
                              View<const float> bias, View<float> y, View<float> mean, View<float> rstd) {
    for (Index b = 0; b < batch; ++b) {
      const float* const image = x.data() + b * pixels * C;
      float* const to = y.data() + b * pixels * C;
      float means[G];
      float rstds[G];
      statistics<C, G>(pixels, image, means, rstds);
      const Norm<C> norm = make_norm<C, G>(means, rstds, weight.data(), bias.data());
      for_each_pixel<C>(
          pixels, [&](Index i, Index c, auto n) __attribute__((always_inline)) {
            store<Arch>(silu(norm(norm.centered(image + i, c, n), c, n)), to + i, n);
          });
      if (!mean.empty()) std::copy_n(means, G, mean.data() + b * G);
      if (!rstd.empty()) std::copy_n(rstds, G, rstd.data() + b * G);
    }
  }

  /// With d = x - mean, v = d * rstd * weight + bias, dv = dy * silu'(v) and g = dv * weight:
  /// dx = rstd * (g - mean(g) - d * rstd^2 * mean(g d)). Adds to every output.
  template <Index C, Index G>
  static void group_norm_silu_backward(Shape<C, G>, Index batch, Index pixels, View<const float> x,
                                       View<const float> weight, View<const float> bias, View<const float> mean,
                                       View<const float> rstd, View<const float> dy, View<float> dx,
                                       View<float> dweight, View<float> dbias) {
    for (Index b = 0; b < batch; ++b) {
      const float* const image = x.data() + b * pixels * C;
      const float* const slope = dy.data() + b * pixels * C;
      float* const to = dx.data() + b * pixels * C;
      const float* const rstds = rstd.data() + b * G;
      const Norm<C> norm = make_norm<C, G>(mean.data() + b * G, rstds, weight.data(), bias.data());
      const SlopeSums<C> sums = slope_sums<C>(pixels, norm, image, slope);
      // dx = dv * scale + d * factor + offset
      alignas(alignment) float factor[C];
      alignas(alignment) float offset[C];
      for (Index g = 0; g < G; ++g) {
        double mean_g = 0;
        double mean_gd = 0;
        for (Index c = g * (C / G); c < (g + 1) * (C / G); ++c) {
          mean_g += static_cast<double>(weight[c]) * sums.plain[c];
          mean_gd += static_cast<double>(weight[c]) * sums.centered[c];
        }
        const double count = static_cast<double>(pixels * (C / G));
        const double scale = static_cast<double>(rstds[g]);
        std::fill_n(factor + g * (C / G), C / G, static_cast<float>(-scale * scale * scale * mean_gd / count));
        std::fill_n(offset + g * (C / G), C / G, static_cast<float>(-scale * mean_g / count));
      }
      for_each_pixel<C>(
          pixels, [&](Index i, Index c, auto n) __attribute__((always_inline)) {
            const V d = norm.centered(image + i, c, n);
            const V dv = load<Arch>(slope + i, n) * silu_slope(norm(d, c, n));
            const V others = fma(d, load<Arch>(factor + c, n), load<Arch>(offset + c, n));
            store<Arch>(load<Arch>(to + i, n) + fma(dv, load<Arch>(norm.scale + c, n), others), to + i, n);
          });
      for (Index c = 0; c < C; ++c) {
        dweight[c] += static_cast<float>(sums.centered[c] * static_cast<double>(rstds[c / (C / G)]));
        dbias[c] += static_cast<float>(sums.plain[c]);
      }
    }
  }

 private:
  static constexpr float eps = 1e-6F;
  static constexpr Index block = 64;  // pixels: of 128 channels, 32 KiB, which stay in L1 for the second pass
  static constexpr Index slots = 16;

  /// v = (x - mean) * scale + bias, channel by channel, scale = rstd * weight.
  template <Index C>
  struct Norm {
    alignas(alignment) float mean[C];
    alignas(alignment) float scale[C];
    const float* bias;

    /// values[0] is channel c of a pixel. Zero in the lanes past the end.
    template <class N>
    [[gnu::always_inline]] V centered(const float* values, Index c, N n) const {
      return load<Arch>(values, n) - load<Arch>(mean + c, n);
    }
    template <class N>
    [[gnu::always_inline]] V operator()(const V& d, Index c, N n) const {
      return fma(d, load<Arch>(scale + c, n), load<Arch>(bias + c, n));
    }
  };
  template <Index C, Index G>
  static Norm<C> make_norm(const float* mean, const float* rstd, const float* weight, const float* bias) {
    static_assert(C % G == 0, "group_norm_silu: the groups must divide the channels.");
    Norm<C> norm;
    for (Index c = 0; c < C; ++c) {
      norm.mean[c] = mean[c / (C / G)];
      norm.scale[c] = rstd[c / (C / G)] * weight[c];
    }
    norm.bias = bias;
    return norm;
  }

  /// body(offset in the map, channel, AllLanes{} or the lanes left) for sixteen channels of a pixel at a time.
  template <Index C, class Body>
  static void for_each_pixel(Index pixels, Body&& body) {
    parallel_ranges(pixels, C, [&](Index begin, Index end) {
      for (Index p = begin; p < end; ++p) {
        for_each_vector(
            C, [&](Index c, auto n) __attribute__((always_inline)) { body(p * C + c, c, n); });
      }
    });
  }

  /// The sum of of_block(first pixel, last pixel) over all blocks.
  template <class Sum, class OfBlock>
  static Sum sum_pixels(Index pixels, OfBlock&& of_block) {
    const Index blocks = (pixels + block - 1) / block;
    const Index used = std::min(slots, blocks);
    std::array<Sum, static_cast<std::size_t>(slots)> sums{};
    parallel_for(used, [&](Index slot) {
      for (Index i = blocks * slot / used; i < blocks * (slot + 1) / used; ++i) {
        sums[static_cast<std::size_t>(slot)].add(of_block(i * block, std::min(pixels, (i + 1) * block)));
      }
    });
    for (Index slot = 1; slot < used; ++slot) sums[0].add(sums[static_cast<std::size_t>(slot)]);
    return sums[0];
  }

  template <Index G>
  struct GroupMoments {
    Moments group[G];
    void add(const GroupMoments& other) {
      for (Index g = 0; g < G; ++g) group[g].add(other.group[g]);
    }
  };
  template <Index C, Index G>
  static void statistics(Index pixels, const float* x, float* mean, float* rstd) {
    const auto moments = sum_pixels<GroupMoments<G>>(
        pixels, [&](Index first, Index last) { return block_moments<C, G>(last - first, x + first * C); });
    for (Index g = 0; g < G; ++g) {
      mean[g] = static_cast<float>(moments.group[g].mean);
      rstd[g] = 1.0F / std::sqrt(static_cast<float>(moments.group[g].squares / moments.group[g].count) + eps);
    }
  }
  template <Index C, Index G>
  static GroupMoments<G> block_moments(Index pixels, const float* x) {
    alignas(alignment) float sum[C] = {};
    alignas(alignment) float mean[C];
    alignas(alignment) float squares[C] = {};
    for (Index p = 0; p < pixels; ++p) {
      for_each_vector(
          C, [&](Index c, auto n) __attribute__((always_inline)) {
            store<Arch>(load<Arch>(sum + c, n) + load<Arch>(x + p * C + c, n), sum + c, n);
          });
    }
    GroupMoments<G> moments;
    const double count = static_cast<double>(pixels * (C / G));
    for (Index g = 0; g < G; ++g) {
      const float average = static_cast<float>(sum_of_group<C, G>(sum, g) / count);
      std::fill_n(mean + g * (C / G), C / G, average);
      moments.group[g].mean = static_cast<double>(average);
    }
    for (Index p = 0; p < pixels; ++p) {
      for_each_vector(
          C, [&](Index c, auto n) __attribute__((always_inline)) {
            const V d = load<Arch>(x + p * C + c, n) - load<Arch>(mean + c, n);
            store<Arch>(fma(d, d, load<Arch>(squares + c, n)), squares + c, n);
          });
    }
    for (Index g = 0; g < G; ++g) {
      moments.group[g].count = count;
      moments.group[g].squares = sum_of_group<C, G>(squares, g);
    }
    return moments;
  }
  template <Index C, Index G>
  static double sum_of_group(const float* values, Index g) {
    double sum = 0;
    for (Index c = g * (C / G); c < (g + 1) * (C / G); ++c) sum += static_cast<double>(values[c]);
    return sum;
  }

  /// Sums over pixels of dv and dv * (x - mean).
  template <Index C>
  struct SlopeSums {
    double plain[C];
    double centered[C];
    void add(const SlopeSums& other) {
      for (Index c = 0; c < C; ++c) {
        plain[c] += other.plain[c];
        centered[c] += other.centered[c];
      }
    }
  };
  template <Index C>
  static SlopeSums<C> slope_sums(Index pixels, const Norm<C>& norm, const float* x, const float* dy) {
    return sum_pixels<SlopeSums<C>>(pixels, [&](Index first, Index last) {
      alignas(alignment) float plain[C] = {};
      alignas(alignment) float centered[C] = {};
      for (Index p = first; p < last; ++p) {
        for_each_vector(
            C, [&](Index c, auto n) __attribute__((always_inline)) {
              const V d = norm.centered(x + p * C + c, c, n);
              const V dv = load<Arch>(dy + p * C + c, n) * silu_slope(norm(d, c, n));
              store<Arch>(load<Arch>(plain + c, n) + dv, plain + c, n);
              store<Arch>(fma(dv, d, load<Arch>(centered + c, n)), centered + c, n);
            });
      }
      SlopeSums<C> sums;
      std::copy_n(plain, C, sums.plain);
      std::copy_n(centered, C, sums.centered);
      return sums;
    });
  }
};

}  // namespace tessera::cpu_detail
