// Every operation of backend/concept.hpp as functors for Thrust: what is the same on its OpenMP and its CUDA system,
// and plain loops for what has kernels on a GPU (gpu.hpp). Arithmetic is in float32, long sums in double, whatever the
// format of what is stored.
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

namespace thrust_detail {

/// What a GPU runs as functors too.
template <class System>
struct CommonOps : System::Memory,
                   RowsOps<System>,
                   PatchesOps<System>,
                   Conv3x3Ops<System>,
                   UpsampleOps<System>,
                   TransposeOps<System>,
                   GaussianOps<System>,
                   LossesOps<System>,
                   OptimizerOps<System> {
  using Scalar = typename System::Scalar;
  using Accumulator = double;
};

}  // namespace thrust_detail

/// System says where the operations run, where their memory is and what it holds:
///   System::Scalar                           float or bfloat16
///   System::for_each(count, f)               calls a copy of f there, once for every i in [0, count), in any order
///   System::read(View<const double> there)   the values as a std::vector, once everything before has run
///   System::Memory                           the concept's operations on memory (backend/host_memory.hpp)
/// No sum's order depends on how many threads the system has.
template <class System>
struct basic_thrust : thrust_detail::CommonOps<System>,
                      thrust_detail::LinearOps<System>,
                      thrust_detail::LayerNormOps<System>,
                      thrust_detail::AttentionOps<System>,
                      thrust_detail::ConvolutionOps<System>,
                      thrust_detail::GroupNormOps<System>,
                      thrust_detail::ActivationsOps<System>,
                      thrust_detail::NearestCodeOps<System>,
                      thrust_detail::CodesOps<System> {};

}  // namespace tessera
