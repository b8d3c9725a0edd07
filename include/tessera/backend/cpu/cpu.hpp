// The float32 backend for processors, in xsimd. Its results have the same bits for every instruction set with fused
// multiply-add, every number of threads, every batch, and every compiler (with -ffp-contract=off).
#pragma once

#include <algorithm>

#include <tessera/backend/concept.hpp>
#include <tessera/backend/cpu/attention.hpp>
#include <tessera/backend/cpu/codes.hpp>
#include <tessera/backend/cpu/conv3x3.hpp>
#include <tessera/backend/cpu/layer_norm.hpp>
#include <tessera/backend/cpu/linear.hpp>
#include <tessera/backend/cpu/losses.hpp>
#include <tessera/backend/cpu/nearest_code.hpp>
#include <tessera/backend/cpu/optimizer.hpp>
#include <tessera/backend/cpu/patches.hpp>
#include <tessera/backend/cpu/rows.hpp>
#include <tessera/core/buffer.hpp>

namespace tessera {

/// Every operation of backend/concept.hpp for one xsimd architecture; two of them can live in one program.
template <class Arch = xsimd::default_arch>
struct basic_cpu : cpu_detail::LinearOps<Arch>,
                   cpu_detail::LayerNormOps<Arch>,
                   cpu_detail::AttentionOps<Arch>,
                   cpu_detail::RowsOps<Arch>,
                   cpu_detail::PatchesOps<Arch>,
                   cpu_detail::Conv3x3Ops<Arch>,
                   cpu_detail::NearestCodeOps<Arch>,
                   cpu_detail::CodesOps<Arch>,
                   cpu_detail::LossesOps<Arch>,
                   cpu_detail::OptimizerOps<Arch> {
  using Scalar = float;
  using Accumulator = double;
  template <class T>
  using Buffer = AlignedBuffer<T>;

  static void upload(View<const float> host, View<float> there) { std::copy(host.begin(), host.end(), there.begin()); }
  static void download(View<const float> there, View<float> host) {
    std::copy(there.begin(), there.end(), host.begin());
  }
  static void upload_tokens(View<const Token> host, View<Token> there) {
    std::copy(host.begin(), host.end(), there.begin());
  }
  static void download_tokens(View<const Token> there, View<Token> host) {
    std::copy(there.begin(), there.end(), host.begin());
  }
};

using cpu = basic_cpu<>;
static_assert(Backend<cpu>);

}  // namespace tessera
