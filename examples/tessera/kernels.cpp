// The matrix kernels that all presets share.
#include <tessera/backend/cpu/micro_kernel.hpp>

namespace tessera::cpu_detail {

template TileKernel<xsimd::default_arch> tile_kernel<xsimd::default_arch>(Index, Index);

}  // namespace tessera::cpu_detail
