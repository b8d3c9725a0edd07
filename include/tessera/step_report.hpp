// What a training step reports.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera {

/// What one step did; losses are means over its images.
struct StepReport {
  Index step;
  double loss;
  double reconstruction_loss;
  double codebook_loss;
  double commitment_loss;
  double kl_loss;    ///< 0 where tokens are ids
  double grad_norm;  ///< before clipping
  double learning_rate;
};

}  // namespace tessera
