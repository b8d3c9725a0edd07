// Codes that a codebook could do without, by their values alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <tessera/config.hpp>
#include <tessera/core/types.hpp>

namespace tessera {

struct CodebookHealth {
  Index duplicates = 0;  ///< equal to another code; where directions are compared, in direction
  Index dead = 0;        ///< without a place of their own: not finite, or zero where directions are compared
  Index untrained = 0;   ///< still within +-1 / K of 0, where training starts them
};

namespace detail {

/// The codes [K, C] as they are compared: where the metric is cosine, their directions, rounded to float32.
inline std::vector<float> compared_codes(View<const float> codes, std::size_t C, Metric metric) {
  std::vector<float> compared(codes.begin(), codes.end());
  if (metric != Metric::cosine) return compared;
  for (auto row = compared.begin(); row != compared.end(); row += static_cast<std::ptrdiff_t>(C)) {
    double squares = 0;
    for (std::size_t c = 0; c < C; ++c) squares += double{row[c]} * double{row[c]};
    const double norm = std::max(std::sqrt(squares), 1e-12);
    for (std::size_t c = 0; c < C; ++c) row[c] = static_cast<float>(row[c] / norm);
  }
  return compared;
}

}  // namespace detail

/// codes [K, C].
inline CodebookHealth codebook_health(View<const float> codes, Index K, Metric metric) {
  const std::size_t C = codes.size() / static_cast<std::size_t>(K);
  const auto row = [&](Index k) { return codes.subspan(static_cast<std::size_t>(k) * C, C); };
  const std::vector<float> compared = detail::compared_codes(codes, C, metric);
  const auto compare = [&](Index a, Index b) {
    const float* const first = compared.data();
    return std::memcmp(first + a * static_cast<Index>(C), first + b * static_cast<Index>(C), C * sizeof(float));
  };
  CodebookHealth health;
  const auto finite = [&](Index k) { return std::ranges::all_of(row(k), [](float x) { return std::isfinite(x); }); };
  std::vector<Index> order;
  for (Index k = 0; k < K; ++k) {
    if (finite(k)) order.push_back(k);
  }
  std::ranges::sort(order, [&](Index a, Index b) { return compare(a, b) < 0; });
  for (std::size_t i = 1; i < order.size(); ++i) health.duplicates += compare(order[i - 1], order[i]) == 0;
  const float bound = 1.0F / static_cast<float>(K);
  for (Index k = 0; k < K; ++k) {
    const bool zero = std::ranges::all_of(row(k), [](float x) { return x == 0; });
    const bool small = std::ranges::all_of(row(k), [&](float x) { return std::fabs(x) <= bound; });
    health.dead += !finite(k) || (zero && metric == Metric::cosine);
    health.untrained += small;
  }
  return health;
}

}  // namespace tessera
