// Everything that a training run goes on from, on the host.
#pragma once

#include <tessera/core/buffer.hpp>
#include <tessera/core/types.hpp>
#include <tessera/vq/codebook_upkeep.hpp>

namespace tessera {

/// Buffers are in ParameterTable<config>'s order.
struct TrainerState {
  Index step = 0;
  AlignedBuffer<float> weights, first_moments, second_moments;
  AlignedBuffer<float> average;  ///< empty where no moving average is kept
  CodebookState codebook;
};

}  // namespace tessera
