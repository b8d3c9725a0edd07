// expect: tessera::cuda is compiled by nvcc; without a GPU, tessera::thrust_host runs the same operations.
#include <tessera/backend/thrust/cuda_system.hpp>
