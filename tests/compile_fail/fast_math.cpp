// expect: tessera needs -fno-fast-math
// flags: -ffast-math
#include <tessera/core/xsimd.hpp>
