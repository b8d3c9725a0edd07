// The backend that a test runs on: the same files are built once for each.
#pragma once

#include <tessera/core/types.hpp>

#if defined(TESSERA_TEST_THRUST_HOST)
#include <tessera/backend/thrust/thrust_host.hpp>
#elif defined(TESSERA_TEST_EMULATED)
#include <emulated/system.hpp>
#elif defined(TESSERA_TEST_CUDA_OPERATIONS)
#include <cuda/shared_memory.hpp>
#elif defined(TESSERA_TEST_CUDA)
#include <tessera/backend/thrust/cuda.hpp>
#else
#include <tessera/backend/cpu/cpu.hpp>
#endif

namespace tessera::testing {

#if defined(TESSERA_TEST_THRUST_HOST)
using Tested = thrust_host;
inline constexpr bool runs_in_pool = false;     // of set_parallel_for
inline constexpr bool adds_in_order = true;     // gradients row by row, so that their parts' sum has the same bits
inline constexpr bool rows_stand_alone = true;  // a product's row has the same bits in a batch of any size
#elif defined(TESSERA_TEST_EMULATED)
using Tested = emulated_gpu;
inline constexpr bool runs_in_pool = false;
inline constexpr bool adds_in_order = false;
inline constexpr bool rows_stand_alone = true;
#elif defined(TESSERA_TEST_CUDA_OPERATIONS) || defined(TESSERA_TEST_CUDA)
#if defined(TESSERA_TEST_CUDA)
using Tested = tessera::cuda;
#else
using Tested = shared_memory_gpu;
#endif
inline constexpr bool runs_in_pool = false;
inline constexpr bool adds_in_order = false;
inline constexpr bool rows_stand_alone = false;  // cuBLASLt chooses by size
#else
using Tested = cpu;
inline constexpr bool runs_in_pool = true;
inline constexpr bool adds_in_order = true;
inline constexpr bool rows_stand_alone = true;
#endif

}  // namespace tessera::testing
