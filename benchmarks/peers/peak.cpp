// The chains of fused multiply-adds that benchmarks/model.cpp compares itself with, for vit.py: a shared library.
#include "../fma_peak.hpp"

/// Floating-point operations of `steps` steps on the calling thread, after they have run.
extern "C" double run_peak(long steps) {
  [[maybe_unused]] static thread_local volatile float sink = 0.0F;
  sink = tessera::benchmarks::run_peak_chains(steps);
  return 2.0 * tessera::benchmarks::peak_chains * xsimd::batch<float, tessera::benchmarks::Arch>::size *
         static_cast<double>(steps);
}
