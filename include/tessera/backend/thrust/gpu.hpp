// Every operation of backend/concept.hpp as a GPU runs it: what Thrust's functors would leave most of it idle for has
// kernels of its own, and matrix products are its library's.
#pragma once

#include <tessera/backend/concept.hpp>
#include <tessera/backend/thrust/kernels/activations.hpp>
#include <tessera/backend/thrust/kernels/attention.hpp>
#include <tessera/backend/thrust/kernels/codes.hpp>
#include <tessera/backend/thrust/kernels/convolution.hpp>
#include <tessera/backend/thrust/kernels/group_norm.hpp>
#include <tessera/backend/thrust/kernels/layer_norm.hpp>
#include <tessera/backend/thrust/kernels/linear.hpp>
#include <tessera/backend/thrust/kernels/nearest_code.hpp>
#include <tessera/backend/thrust/thrust.hpp>

namespace tessera {

/// System is thrust.hpp's, and has
///   System::run(kernel, grid, threads, shared_bytes, arguments...)   starts a kernel of kernels/; threads of a block
///   System::scratch<T>(size)                                         a Memory::Buffer<T> that is not zeroed
///   System::multiply(MatrixProduct)                                  starts a matrix product
template <class System>
struct basic_gpu : thrust_detail::CommonOps<System>,
                   thrust_detail::KernelLinearOps<System>,
                   thrust_detail::KernelLayerNormOps<System>,
                   thrust_detail::KernelAttentionOps<System>,
                   thrust_detail::KernelConvolutionOps<System>,
                   thrust_detail::KernelGroupNormOps<System>,
                   thrust_detail::KernelActivationsOps<System>,
                   thrust_detail::KernelNearestCodeOps<System>,
                   thrust_detail::KernelCodesOps<System> {};

}  // namespace tessera
