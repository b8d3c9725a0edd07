// The backend that the tests in operations/ run on: the same files are built once for each.
#pragma once

#include <tessera/core/types.hpp>

#ifdef TESSERA_TEST_THRUST_HOST
#include <tessera/backend/thrust/thrust_host.hpp>
#else
#include <tessera/backend/cpu/cpu.hpp>
#endif

namespace tessera::testing {

#ifdef TESSERA_TEST_THRUST_HOST
using Tested = thrust_host;
#else
using Tested = cpu;
#endif

}  // namespace tessera::testing
