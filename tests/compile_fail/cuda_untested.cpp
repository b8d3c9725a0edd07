// expect: tessera::cuda has not passed its tests on a GPU yet: define TESSERA_CUDA_UNTESTED to use it all the same.
#include <tessera/backend/thrust/cuda.hpp>
