#include "compiled_features.hpp"

namespace program {

// A macro that is defined has the text "1", another one its own name.
#define PROGRAM_HAS(macro) (sizeof(PROGRAM_TEXT(macro)) == 2)
#define PROGRAM_TEXT(macro) PROGRAM_TEXT_OF(macro)
#define PROGRAM_TEXT_OF(macro) #macro

constinit const CompiledFeatures compiled_features = {
    .sse3 = PROGRAM_HAS(__SSE3__),
    .ssse3 = PROGRAM_HAS(__SSSE3__),
    .sse4_1 = PROGRAM_HAS(__SSE4_1__),
    .sse4_2 = PROGRAM_HAS(__SSE4_2__),
    .popcnt = PROGRAM_HAS(__POPCNT__),
    .avx = PROGRAM_HAS(__AVX__),
    .avx2 = PROGRAM_HAS(__AVX2__),
    .fma = PROGRAM_HAS(__FMA__),
    .bmi = PROGRAM_HAS(__BMI__),
    .bmi2 = PROGRAM_HAS(__BMI2__),
    .avx512f = PROGRAM_HAS(__AVX512F__),
    .avx512cd = PROGRAM_HAS(__AVX512CD__),
    .avx512bw = PROGRAM_HAS(__AVX512BW__),
    .avx512dq = PROGRAM_HAS(__AVX512DQ__),
    .avx512vl = PROGRAM_HAS(__AVX512VL__),
    .avx512ifma = PROGRAM_HAS(__AVX512IFMA__),
    .avx512vbmi = PROGRAM_HAS(__AVX512VBMI__),
    .avx512vbmi2 = PROGRAM_HAS(__AVX512VBMI2__),
    .avx512vnni = PROGRAM_HAS(__AVX512VNNI__),
    .avx512bitalg = PROGRAM_HAS(__AVX512BITALG__),
    .avx512vpopcntdq = PROGRAM_HAS(__AVX512VPOPCNTDQ__),
    .gfni = PROGRAM_HAS(__GFNI__),
    .vpclmulqdq = PROGRAM_HAS(__VPCLMULQDQ__),
};

#undef PROGRAM_TEXT_OF
#undef PROGRAM_TEXT
#undef PROGRAM_HAS

}  // namespace program
