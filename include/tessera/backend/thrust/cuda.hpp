// The Thrust backend on NVIDIA GPUs. It compiles, and has never run on one: hence the macro that must be defined.
#pragma once

#ifndef TESSERA_CUDA_UNTESTED
#error "tessera::cuda has not passed its tests on a GPU yet: define TESSERA_CUDA_UNTESTED to use it all the same."
#endif

#include <tessera/backend/thrust/cuda_system.hpp>
#include <tessera/backend/thrust/gpu.hpp>

namespace tessera {

/// Float32 (cuBLAS obeys NVIDIA_TF32_OVERRIDE in the environment, for this and for cuda_tf32). The operations, and with
/// them encoding and decoding, may throw Error(device): memory ends, a kernel fails. What a kernel did wrong may be
/// reported by a later operation. Tokens need not be tessera::cpu's where the margin is small: exp, erf and the orders
/// of sums differ, and cuBLASLt's with the number of images in a pass. A model is made, used and destroyed by one
/// thread, for as long as it is under one CudaStreamScope or none. Passes take scratch memory beside the tokenizer's
/// workspace_bytes, and the first two of a size set up what the others use.
using cuda = basic_gpu<thrust_detail::CudaSystem<float, CUBLAS_COMPUTE_32F>>;
/// The same, but that matrix products round what they multiply to TensorFloat-32: 10 bits of mantissa, not 23.
using cuda_tf32 = basic_gpu<thrust_detail::CudaSystem<float, CUBLAS_COMPUTE_32F_FAST_TF32>>;
/// Weights and activations in bfloat16, 7 bits of mantissa, half the memory; sums in float32. Training keeps its
/// gradients, moments and the weights that it updates in float32.
using cuda_bf16 = basic_gpu<thrust_detail::CudaSystem<bfloat16, CUBLAS_COMPUTE_32F>>;
static_assert(Backend<cuda> && Backend<cuda_tf32> && Backend<cuda_bf16>);

}  // namespace tessera
