// A CPU that lacks instructions which the program was compiled for ends it with a line instead of SIGILL. Compiled for
// any x86-64 (examples/CMakeLists.txt), and run before the rest of the program starts: its global objects may use such
// instructions already.
#if defined(__x86_64__)

#include <stdio.h>
#include <unistd.h>

#include "compiled_features.hpp"

namespace program {

namespace {

// __builtin_cpu_supports takes a literal. It also asks whether the system saves the registers.
#define PROGRAM_CHECK(member, name, builtin) \
  if (compiled_features.member && !__builtin_cpu_supports(builtin)) return name

/// The first instruction set, from old to new, that is missing; nullptr where none is.
const char* missing() {
  PROGRAM_CHECK(sse3, "SSE3", "sse3");
  PROGRAM_CHECK(ssse3, "SSSE3", "ssse3");
  PROGRAM_CHECK(sse4_1, "SSE4.1", "sse4.1");
  PROGRAM_CHECK(sse4_2, "SSE4.2", "sse4.2");
  PROGRAM_CHECK(popcnt, "POPCNT", "popcnt");
  PROGRAM_CHECK(avx, "AVX", "avx");
  PROGRAM_CHECK(avx2, "AVX2", "avx2");
  PROGRAM_CHECK(fma, "FMA", "fma");
  PROGRAM_CHECK(bmi, "BMI1", "bmi");
  PROGRAM_CHECK(bmi2, "BMI2", "bmi2");
  PROGRAM_CHECK(avx512f, "AVX-512F", "avx512f");
  PROGRAM_CHECK(avx512cd, "AVX-512CD", "avx512cd");
  PROGRAM_CHECK(avx512bw, "AVX-512BW", "avx512bw");
  PROGRAM_CHECK(avx512dq, "AVX-512DQ", "avx512dq");
  PROGRAM_CHECK(avx512vl, "AVX-512VL", "avx512vl");
  PROGRAM_CHECK(avx512ifma, "AVX-512IFMA", "avx512ifma");
  PROGRAM_CHECK(avx512vbmi, "AVX-512VBMI", "avx512vbmi");
  PROGRAM_CHECK(avx512vbmi2, "AVX-512VBMI2", "avx512vbmi2");
  PROGRAM_CHECK(avx512vnni, "AVX-512VNNI", "avx512vnni");
  PROGRAM_CHECK(avx512bitalg, "AVX-512BITALG", "avx512bitalg");
  PROGRAM_CHECK(avx512vpopcntdq, "AVX-512VPOPCNTDQ", "avx512vpopcntdq");
  PROGRAM_CHECK(gfni, "GFNI", "gfni");
  PROGRAM_CHECK(vpclmulqdq, "VPCLMULQDQ", "vpclmulqdq");
  return nullptr;
}

#undef PROGRAM_CHECK

// 101: the first of the priorities that programs may use.
__attribute__((constructor(101))) void check_cpu() {
  __builtin_cpu_init();
  const char* const name = missing();
  if (name == nullptr) return;
  char line[256];
  const int length =
      ::snprintf(line, sizeof line,
                 "tessera: this CPU: found no %s, expected the instructions that the program was compiled "
                 "for (compile it on this machine, or with -march=x86-64-v3)\n",
                 name);
  (void)!::write(2, line, static_cast<::size_t>(length));
  ::_exit(1);
}

}  // namespace

}  // namespace program

#endif
