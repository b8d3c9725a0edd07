// The backend that the tests in operations/ run on: the same files are built once for each.
#pragma once

#include <tessera/core/types.hpp>

#if defined(TESSERA_TEST_THRUST_HOST)
#include <tessera/backend/thrust/thrust_host.hpp>
#elif defined(TESSERA_TEST_CUDA)
#include <cuda/shared_memory.hpp>
#else
#include <tessera/backend/cpu/cpu.hpp>
#endif

namespace tessera::testing {

#if defined(TESSERA_TEST_THRUST_HOST)
using Tested = thrust_host;
inline constexpr bool runs_in_pool = false;  // of set_parallel_for
#elif defined(TESSERA_TEST_CUDA)
using Tested = basic_thrust<SharedSystem>;
inline constexpr bool runs_in_pool = false;
#else
using Tested = cpu;
inline constexpr bool runs_in_pool = true;
#endif

}  // namespace tessera::testing
