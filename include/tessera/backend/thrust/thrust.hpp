// Every operation of backend/concept.hpp in float32, written once for Thrust's OpenMP and CUDA systems: plain loops, of
// which none is tuned for a GPU.
#pragma once

#include <tessera/backend/concept.hpp>
#include <tessera/backend/thrust/activations.hpp>
#include <tessera/backend/thrust/attention.hpp>
#include <tessera/backend/thrust/codes.hpp>
#include <tessera/backend/thrust/conv3x3.hpp>
#include <tessera/backend/thrust/convolution.hpp>
#include <tessera/backend/thrust/gaussian.hpp>
#include <tessera/backend/thrust/group_norm.hpp>
#include <tessera/backend/thrust/layer_norm.hpp>
#include <tessera/backend/thrust/linear.hpp>
#include <tessera/backend/thrust/losses.hpp>
#include <tessera/backend/thrust/nearest_code.hpp>
#include <tessera/backend/thrust/optimizer.hpp>
#include <tessera/backend/thrust/patches.hpp>
#include <tessera/backend/thrust/rows.hpp>
#include <tessera/backend/thrust/transpose.hpp>
#include <tessera/backend/thrust/upsample.hpp>

namespace tessera {

/// System says where the operations run and where their memory is:
///   System::for_each(count, f)               calls a copy of f there, once for every i in [0, count), in any order
///   System::read(View<const double> there)   the values as a std::vector, once everything before has run
///   System::Memory                           the concept's operations on memory (backend/host_memory.hpp)
/// No sum's order depends on how many threads the system has.
template <class System>
struct basic_thrust : System::Memory,
                      thrust_detail::LinearOps<System>,
                      thrust_detail::LayerNormOps<System>,
                      thrust_detail::AttentionOps<System>,
                      thrust_detail::RowsOps<System>,
                      thrust_detail::PatchesOps<System>,
                      thrust_detail::Conv3x3Ops<System>,
                      thrust_detail::ConvolutionOps<System>,
                      thrust_detail::GroupNormOps<System>,
                      thrust_detail::UpsampleOps<System>,
                      thrust_detail::TransposeOps<System>,
                      thrust_detail::ActivationsOps<System>,
                      thrust_detail::GaussianOps<System>,
                      thrust_detail::NearestCodeOps<System>,
                      thrust_detail::CodesOps<System>,
                      thrust_detail::LossesOps<System>,
                      thrust_detail::OptimizerOps<System> {
  using Scalar = float;
  using Accumulator = double;
};

}  // namespace tessera
