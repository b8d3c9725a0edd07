// How far an image is from its reconstruction.
#pragma once

namespace tessera {

enum class ReconstructionLoss {
  l2,  ///< mean squared error
  l1,  ///< mean absolute error
};

}  // namespace tessera
