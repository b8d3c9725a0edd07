// The Thrust backend on NVIDIA GPUs. It compiles, and has never run on one: hence the macro that must be defined.
#pragma once

#ifndef TESSERA_CUDA_UNTESTED
#error "tessera::cuda has not passed its tests on a GPU yet: define TESSERA_CUDA_UNTESTED to use it all the same."
#endif

#include <tessera/backend/thrust/cuda_system.hpp>
#include <tessera/backend/thrust/thrust.hpp>

namespace tessera {

/// Its operations, and with them encoding and decoding, may throw Error(device): memory ends, a kernel fails. What a
/// kernel did wrong may be reported by a later operation. Tokens need not be tessera::cpu's: exp, erf and the orders of
/// sums differ.
using cuda = basic_thrust<thrust_detail::CudaSystem>;
static_assert(Backend<cuda>);

}  // namespace tessera
