// expect: Thrust's OpenMP system needs OpenMP: compile with -fopenmp, or link the target tessera::thrust_host.
#include <tessera/backend/thrust/omp_system.hpp>
