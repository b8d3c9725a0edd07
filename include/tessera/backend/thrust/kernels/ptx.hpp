// The instructions that CUDA C++ has no function for, from sm_80 on: asynchronous copies, matrices of bfloat16. Beside
// CUDA's own names this is all that kernels use, so that tests can give them a processor instead of a GPU.
// Source: Parallel Thread Execution ISA 8, NVIDIA.
#pragma once

#ifndef __CUDACC__
#error "Kernels are compiled by nvcc; without a GPU, tessera::thrust_host runs the same operations."
#endif

#include <cstdint>

namespace tessera::thrust_detail::ptx {

/// The block's dynamic shared memory, aligned to 128 bytes.
__device__ inline char* shared_memory() {
  extern __shared__ __align__(128) char memory[];
  return memory;
}

__device__ inline std::uint32_t shared_address(const void* shared) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
}

/// Starts to copy 16 aligned bytes, or to write 16 zero bytes where not `valid` (nothing is read then).
__device__ inline void copy_async(void* shared, const void* global, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
               "r"(valid ? 16 : 0)
               : "memory");
}
/// Makes a group of the calling thread's copies since the last one.
__device__ inline void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits until at most `pending` of the calling thread's groups are not done. Other threads see them after a barrier.
template <int pending>
__device__ inline void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

/// Reads 16 aligned bytes.
__device__ inline uint4 load(const void* address) {
  return *static_cast<const uint4*>(address);
}
/// Writes 16 aligned bytes. nvcc stores structs of this size value by value here and there.
__device__ inline void store(void* global, const std::uint32_t (&words)[4]) {
  asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(global)), "r"(words[0]),
               "r"(words[1]), "r"(words[2]), "r"(words[3])
               : "memory");
}

/// Two values of a matrix's row: the first in the lower half.
__device__ inline std::uint32_t pack(float first, float second) {
  std::uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
  return both;
}

/// Four 8 x 8 matrices of 16-bit values. Lane i gives the shared address (16 bytes aligned) of row i % 8 of matrix
/// i / 8, and receives of each matrix the two values of row lane / 4 from column lane % 4 * 2 on.
__device__ inline void load_matrices(std::uint32_t (&m)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
               : "r"(shared_address(row))
               : "memory");
}
/// The same of the four transposed matrices.
__device__ inline void load_matrices_transposed(std::uint32_t (&m)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m[0]), "=r"(m[1]), "=r"(m[2]), "=r"(m[3])
               : "r"(shared_address(row))
               : "memory");
}

/// d += a b for a [16, 16] and b [16, 8] of bfloat16, d [16, 8] of float32. With g = lane / 4 and t = lane % 4 * 2:
///   a: rows g, g + 8, g, g + 8, at columns t, t, t + 8, t + 8 (two each)
///   b: column g, rows t and t + 8 (two each);  d: row g columns t, t + 1, then row g + 8
__device__ inline void multiply_add(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// 2^x to 2 units in the last place, zero for -infinity.
__device__ inline float exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace tessera::thrust_detail::ptx
