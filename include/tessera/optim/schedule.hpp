// The learning rate over a run: linear warm-up, then constant, or a half cosine (Loshchilov and Hutter 2017,
// arXiv:1608.03983) down to a fraction of the peak.
#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include <tessera/core/types.hpp>

namespace tessera {

enum class ScheduleShape { constant, cosine };

struct Schedule {
  ScheduleShape shape = ScheduleShape::cosine;
  double peak = 1e-3;
  double final_fraction = 0.02;  ///< cosine ends at peak * final_fraction
  Index warmup = 0;              ///< steps of linear rise
  Index steps = 1;               ///< of the whole run

  /// step: from 1 to steps.
  [[nodiscard]] double at(Index step) const {
    if (step <= warmup) return peak * static_cast<double>(step) / static_cast<double>(warmup);
    if (shape == ScheduleShape::constant) return peak;
    const double length = static_cast<double>(std::max<Index>(1, steps - warmup));
    const double progress = std::min(1.0, static_cast<double>(step - warmup) / length);
    const double cosine = 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
    return peak * (final_fraction + (1.0 - final_fraction) * cosine);
  }
};

}  // namespace tessera
