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

}  // namespace tessera::cases
