// Which CPU instructions the program was compiled for.
#pragma once

namespace program {

/// As cpu_check.cpp knows them, in the order of its table.
struct CompiledFeatures {
  bool sse3, ssse3, sse4_1, sse4_2, popcnt, avx, avx2, fma, bmi, bmi2, avx512f, avx512cd, avx512bw, avx512dq, avx512vl,
      avx512ifma, avx512vbmi, avx512vbmi2, avx512vnni, avx512bitalg, avx512vpopcntdq, gfni, vpclmulqdq;
};

/// Defined in a file that is compiled with the flags of the rest (compiled_features.cpp); the check is not.
extern const CompiledFeatures compiled_features;

}  // namespace program
