// Shapes of the matrix products, for the comparison with the reference backend and for the benchmarks.
#pragma once

#include <tuple>

#include <tessera/core/types.hpp>

namespace tessera::cases {

template <Index In, Index Out>
struct LinearCase {
  static constexpr Index in = In;
  static constexpr Index out = Out;
  static constexpr auto size = shape<In, Out>;
  Index rows;
};

/// Largest difference over the largest magnitude: float sums over up to 1,200 terms, and GELU.
inline constexpr double linear_tolerance = 3e-6;

/// Every edge: one value; less than a lane group, a tile, a panel; one more than each; several blocks of depth or rows.
inline constexpr std::tuple linear_test_cases{
    LinearCase<1, 1>{1},      LinearCase<7, 3>{1},      LinearCase<7, 3>{5},     LinearCase<3, 7>{13},
    LinearCase<16, 16>{12},   LinearCase<32, 32>{12},   LinearCase<17, 33>{25},  LinearCase<33, 17>{11},
    LinearCase<31, 48>{24},   LinearCase<64, 65>{2},    LinearCase<257, 20>{30}, LinearCase<20, 257>{30},
    LinearCase<40, 40>{300},  LinearCase<24, 48>{517},  LinearCase<600, 70>{50}, LinearCase<70, 600>{50},
    LinearCase<1100, 33>{26}, LinearCase<48, 64>{1200},
};

/// The linear layers of transformers of width 128 to 1,024, for one image and for a batch.
inline constexpr std::tuple linear_benchmark_cases{
    LinearCase<128, 128>{256},   LinearCase<128, 256>{256},   LinearCase<128, 512>{256},   LinearCase<512, 128>{256},
    LinearCase<128, 128>{2048},  LinearCase<128, 256>{2048},  LinearCase<128, 512>{2048},  LinearCase<512, 128>{2048},
    LinearCase<192, 192>{2048},  LinearCase<192, 768>{2048},  LinearCase<768, 192>{2048},  LinearCase<512, 512>{64},
    LinearCase<512, 512>{512},   LinearCase<512, 1024>{512},  LinearCase<512, 1536>{512},  LinearCase<512, 2048>{512},
    LinearCase<2048, 512>{512},  LinearCase<768, 768>{64},    LinearCase<768, 768>{512},   LinearCase<768, 1536>{512},
    LinearCase<768, 2304>{512},  LinearCase<768, 3072>{64},   LinearCase<768, 3072>{512},  LinearCase<3072, 768>{64},
    LinearCase<3072, 768>{512},  LinearCase<1024, 1024>{64},  LinearCase<1024, 1024>{512}, LinearCase<1024, 2048>{512},
    LinearCase<1024, 3072>{512}, LinearCase<1024, 4096>{512}, LinearCase<4096, 1024>{64},  LinearCase<4096, 1024>{512},
};

}  // namespace tessera::cases
