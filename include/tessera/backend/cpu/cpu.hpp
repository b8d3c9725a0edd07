// The float32 backend for processors, in xsimd. Its results have the same bits for every instruction set with fused
// multiply-add, every number of threads, every batch, and every compiler (with -ffp-contract=off).
#pragma once

// Said before the errors that follow from it. (nvcc compiles this header for programs that compute elsewhere.)
#if !defined(__FMA__) && !defined(__aarch64__) && !defined(__CUDACC__)
#error "tessera::cpu needs fused multiply-add: compile with -march=x86-64-v3 or -march=native."
#endif

#include <tessera/backend/concept.hpp>
#include <tessera/backend/cpu/activations.hpp>
#include <tessera/backend/cpu/attention.hpp>
#include <tessera/backend/cpu/codes.hpp>
#include <tessera/backend/cpu/conv3x3.hpp>
#include <tessera/backend/cpu/convolution.hpp>
#include <tessera/backend/cpu/gaussian.hpp>
#include <tessera/backend/cpu/group_norm.hpp>
#include <tessera/backend/cpu/layer_norm.hpp>
#include <tessera/backend/cpu/linear.hpp>
#include <tessera/backend/cpu/losses.hpp>
#include <tessera/backend/cpu/nearest_code.hpp>
#include <tessera/backend/cpu/optimizer.hpp>
#include <tessera/backend/cpu/patches.hpp>
#include <tessera/backend/cpu/rows.hpp>
#include <tessera/backend/cpu/transpose.hpp>
#include <tessera/backend/cpu/upsample.hpp>
#include <tessera/backend/host_memory.hpp>

namespace tessera {

/// Every operation of backend/concept.hpp for one xsimd architecture; two of them can live in one program.
template <class Arch = xsimd::default_arch>
struct basic_cpu : HostMemory<float>,
                   cpu_detail::LinearOps<Arch>,
                   cpu_detail::LayerNormOps<Arch>,
                   cpu_detail::AttentionOps<Arch>,
                   cpu_detail::RowsOps<Arch>,
                   cpu_detail::PatchesOps<Arch>,
                   cpu_detail::Conv3x3Ops<Arch>,
                   cpu_detail::ConvolutionOps<Arch>,
                   cpu_detail::GroupNormOps<Arch>,
                   cpu_detail::UpsampleOps<Arch>,
                   cpu_detail::TransposeOps,
                   cpu_detail::ActivationsOps<Arch>,
                   cpu_detail::GaussianOps<Arch>,
                   cpu_detail::NearestCodeOps<Arch>,
                   cpu_detail::CodesOps<Arch>,
                   cpu_detail::LossesOps<Arch>,
                   cpu_detail::OptimizerOps<Arch> {
  using Scalar = float;
  using Accumulator = double;
};

using cpu = basic_cpu<>;
static_assert(Backend<cpu>);

}  // namespace tessera
