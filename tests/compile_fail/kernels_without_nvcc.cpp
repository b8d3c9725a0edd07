// expect: Kernels are compiled by nvcc; without a GPU, tessera::thrust_host runs the same operations.
#include <tessera/backend/thrust/kernels/ptx.hpp>
