// The plainest backend: loops in the order of the formulas, one thread, nothing blocked or packed. In double it is the
// truth that the other backends are tested against; in Dual every forward pass yields exact slopes for the gradient
// tests.
#pragma once

#include <tessera/backend/concept.hpp>
#include <tessera/backend/host_memory.hpp>
#include <tessera/backend/reference/activations.hpp>
#include <tessera/backend/reference/attention.hpp>
#include <tessera/backend/reference/codes.hpp>
#include <tessera/backend/reference/conv3x3.hpp>
#include <tessera/backend/reference/convolution.hpp>
#include <tessera/backend/reference/gaussian.hpp>
#include <tessera/backend/reference/group_norm.hpp>
#include <tessera/backend/reference/layer_norm.hpp>
#include <tessera/backend/reference/linear.hpp>
#include <tessera/backend/reference/losses.hpp>
#include <tessera/backend/reference/nearest_code.hpp>
#include <tessera/backend/reference/optimizer.hpp>
#include <tessera/backend/reference/patches.hpp>
#include <tessera/backend/reference/rows.hpp>
#include <tessera/backend/reference/transpose.hpp>
#include <tessera/backend/reference/upsample.hpp>
#include <tessera/core/dual.hpp>

namespace tessera {

/// Every operation of backend/concept.hpp in T: float, double, or Dual.
template <class T>
struct reference : reference_detail::LinearOps<T>,
                   reference_detail::LayerNormOps<T>,
                   reference_detail::AttentionOps<T>,
                   reference_detail::RowsOps<T>,
                   reference_detail::PatchesOps<T>,
                   reference_detail::Conv3x3Ops<T>,
                   reference_detail::ConvolutionOps<T>,
                   reference_detail::GroupNormOps<T>,
                   reference_detail::UpsampleOps<T>,
                   reference_detail::TransposeOps<T>,
                   reference_detail::ActivationsOps<T>,
                   reference_detail::GaussianOps<T>,
                   reference_detail::NearestCodeOps<T>,
                   reference_detail::CodesOps<T>,
                   reference_detail::LossesOps<T>,
                   reference_detail::OptimizerOps<T>,
                   HostMemory<T> {
  using Scalar = T;
  using Accumulator = reference_detail::Accumulator<T>;
};

static_assert(Backend<reference<float>>);
static_assert(Backend<reference<double>>);
static_assert(Backend<reference<Dual>>);

}  // namespace tessera
