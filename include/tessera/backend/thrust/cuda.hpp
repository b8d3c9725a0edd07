// The Thrust backend on NVIDIA GPUs. No card has run it yet, which is why it must be asked for by that name.
#pragma once

#ifndef TESSERA_CUDA_UNTESTED
#error "tessera::cuda has not passed its tests on a GPU yet: define TESSERA_CUDA_UNTESTED to use it all the same."
#endif

#include <tessera/backend/thrust/cuda_system.hpp>
#include <tessera/backend/thrust/thrust.hpp>

namespace tessera {

using cuda = basic_thrust<thrust_detail::CudaSystem>;
static_assert(Backend<cuda>);

}  // namespace tessera
