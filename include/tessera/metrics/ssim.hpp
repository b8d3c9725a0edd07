// Structural similarity. Wang, Bovik, Sheikh, Simoncelli 2004, IEEE Transactions on Image Processing 13(4).
//
//     SSIM = (2 mu_a mu_b + C1)(2 cov_ab + C2) / ((mu_a^2 + mu_b^2 + C1)(var_a + var_b + C2))
//
// with Gaussian windows of 11 x 11, sigma 1.5, C1 = (0.01 peak)^2, C2 = (0.03 peak)^2; the mean over all windows inside
// the image, then over channels: scikit-image's structural_similarity(gaussian_weights=True, sigma=1.5,
// use_sample_covariance=False, data_range=peak).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include <tessera/core/error.hpp>
#include <tessera/core/types.hpp>
#include <tessera/data/pixels.hpp>

namespace tessera {

namespace detail {

/// Gaussian weights of one axis, sigma 1.5, 11 taps; in a shorter axis the largest odd number that fits. They sum to 1.
inline std::vector<double> ssim_window(Index size) {
  const Index radius = std::min<Index>(5, (size - 1) / 2);
  std::vector<double> window;
  double sum = 0.0;
  for (Index i = -radius; i <= radius; ++i) {
    window.push_back(std::exp(-0.5 * static_cast<double>(i * i) / (1.5 * 1.5)));
    sum += window.back();
  }
  for (double& weight : window) weight /= sum;
  return window;
}

/// Local sums of a, b, a^2, b^2 and ab.
using SsimMoments = std::array<double, 5>;

inline double ssim_of(const SsimMoments& m, double c1, double c2) {
  const double var_a = m[2] - m[0] * m[0], var_b = m[3] - m[1] * m[1], cov = m[4] - m[0] * m[1];
  return (2 * m[0] * m[1] + c1) * (2 * cov + c2) / ((m[0] * m[0] + m[1] * m[1] + c1) * (var_a + var_b + c2));
}

/// One channel, its samples `step` apart in both images.
template <class T>
double ssim_channel(const T* a, const T* b, Index step, Index height, Index width, double peak) {
  const std::vector<double> rows = ssim_window(height), columns = ssim_window(width);
  const auto taps_y = static_cast<Index>(rows.size()), taps_x = static_cast<Index>(columns.size());
  const double c1 = (0.01 * peak) * (0.01 * peak), c2 = (0.03 * peak) * (0.03 * peak);
  std::vector<SsimMoments> filtered(static_cast<std::size_t>(width));  // one row of windows, filtered vertically
  double sum = 0.0;
  for (Index y = 0; y + taps_y <= height; ++y) {
    for (Index x = 0; x < width; ++x) {
      SsimMoments m{};
      for (Index t = 0; t < taps_y; ++t) {
        const auto p = static_cast<double>(a[((y + t) * width + x) * step]);
        const auto q = static_cast<double>(b[((y + t) * width + x) * step]);
        const double weight = rows[static_cast<std::size_t>(t)];
        const SsimMoments terms = {p, q, p * p, q * q, p * q};
        for (std::size_t k = 0; k < terms.size(); ++k) m[k] += weight * terms[k];
      }
      filtered[static_cast<std::size_t>(x)] = m;
    }
    for (Index x = 0; x + taps_x <= width; ++x) {
      SsimMoments m{};
      for (Index t = 0; t < taps_x; ++t) {
        const SsimMoments& column = filtered[static_cast<std::size_t>(x + t)];
        for (std::size_t k = 0; k < m.size(); ++k) m[k] += columns[static_cast<std::size_t>(t)] * column[k];
      }
      sum += ssim_of(m, c1, c2);
    }
  }
  return sum / static_cast<double>((height - taps_y + 1) * (width - taps_x + 1));
}

inline void check_ssim(std::size_t a, std::size_t b, Index channels, Index height, Index width) {
  const bool positive = channels > 0 && height > 0 && width > 0;
  if (positive && a == static_cast<std::size_t>(channels * height * width) && a == b) return;
  throw Error(ErrorCode::bad_argument, "ssim", std::to_string(a) + " and " + std::to_string(b) + " elements",
              std::to_string(channels) + " x " + std::to_string(height) + " x " + std::to_string(width));
}

}  // namespace detail

/// Mean structural similarity of two images [C, H, W]; `peak` is the width of the range (1 for [0,1], 2 for [-1,1]).
/// Along an edge shorter than 11 the window is cut to the largest odd length that fits (where scikit-image refuses).
/// Throws Error(bad_argument) if sizes differ.
template <class T>
double ssim(View<const T> a, View<const T> b, Index channels, Index height, Index width, double peak) {
  detail::check_ssim(a.size(), b.size(), channels, height, width);
  double sum = 0.0;
  for (Index c = 0; c < channels; ++c) {
    const Index start = c * height * width;
    sum += detail::ssim_channel(a.data() + start, b.data() + start, 1, height, width, peak);
  }
  return sum / static_cast<double>(channels);
}

/// The same for 8-bit pixels [H, W, C], peak 255.
inline double ssim(const Pixels& a, const Pixels& b) {
  const auto text = [](const Pixels& p) {
    return std::to_string(p.height) + " x " + std::to_string(p.width) + " x " + std::to_string(p.channels);
  };
  if (a.height != b.height || a.width != b.width || a.channels != b.channels) {
    throw Error(ErrorCode::bad_argument, "ssim", text(b), text(a));
  }
  detail::check_ssim(a.values.size(), b.values.size(), a.channels, a.height, a.width);
  double sum = 0.0;
  for (Index c = 0; c < a.channels; ++c) {
    sum += detail::ssim_channel(a.values.data() + c, b.values.data() + c, a.channels, a.height, a.width, 255.0);
  }
  return sum / static_cast<double>(a.channels);
}

}  // namespace tessera
