// The Thrust backend on this machine's processors: what a GPU would run, without one. Slower than tessera::cpu.
#pragma once

#include <tessera/backend/thrust/omp_system.hpp>
#include <tessera/backend/thrust/thrust.hpp>

namespace tessera {

using thrust_host = basic_thrust<thrust_detail::OmpSystem>;
static_assert(Backend<thrust_host>);

}  // namespace tessera
