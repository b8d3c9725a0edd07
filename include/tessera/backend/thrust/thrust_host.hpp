// The Thrust backend on this machine's processors: the functors that tessera::cuda shares, without a GPU, to test them,
// and plain loops for what has kernels there: a model takes 5 to 20 times as long as on tessera::cpu.
#pragma once

#include <tessera/backend/thrust/omp_system.hpp>
#include <tessera/backend/thrust/thrust.hpp>

namespace tessera {

using thrust_host = basic_thrust<thrust_detail::OmpSystem<float>>;
static_assert(Backend<thrust_host>);

}  // namespace tessera
