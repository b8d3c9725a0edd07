// Sizes for attention: one token, one head, one value a head, fewer queries than keys, widths off the vector.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<D, heads>, batch, q_rows, kv_rows)
void attention(auto&& f) {
  f(shape<1, 1>, 1, 1, 1);
  f(shape<4, 4>, 2, 3, 3);
  f(shape<6, 2>, 1, 1, 5);
  f(shape<15, 3>, 3, 4, 7);
  f(shape<17, 1>, 1, 9, 9);
  f(shape<32, 4>, 2, 6, 22);
  f(shape<60, 3>, 1, 14, 14);
}

/// f(shape<D, heads>) for widths of a head about whole vectors: 1, 7, 8, 12, 16, 20, 64, 80, 200.
void attention_shapes(auto&& f) {
  f(shape<3, 3>);
  f(shape<7, 1>);
  f(shape<16, 2>);
  f(shape<36, 3>);
  f(shape<16, 1>);
  f(shape<40, 2>);
  f(shape<128, 2>);
  f(shape<80, 1>);
  f(shape<200, 1>);
}

struct AttentionTiles {
  Index batch;
  Index q_rows;
  Index kv_rows;
  float amplitude;            // of q and kv; 12 gives scores in the hundreds: overflow without the running maximum
  double tolerance;           // largest difference over the reference's largest magnitude
  double backward_tolerance;  // a score of 500 is rounded to 3e-5, which is the relative error of its weight
};

/// For every attention_shape. The cpu's blocks of keys end at 96, 192, ...; its tiles of queries at multiples of 32
/// or 64.
inline constexpr AttentionTiles attention_tiles[] = {
    {1, 1, 1, 1.0F, 1e-6, 1e-6},      {2, 1, 7, 1.0F, 1e-6, 2e-6},    {3, 5, 1, 1.0F, 1e-6, 2e-6},
    {1, 16, 16, 1.0F, 1e-6, 2e-6},    {1, 17, 31, 12.0F, 2e-4, 5e-4}, {2, 33, 128, 1.0F, 1e-6, 2e-6},
    {1, 49, 129, 12.0F, 2e-4, 5e-4},  {1, 65, 192, 1.0F, 1e-6, 2e-6}, {1, 31, 193, 1.0F, 1e-6, 2e-6},
    {1, 100, 400, 12.0F, 2e-4, 5e-4}, {1, 140, 70, 1.0F, 1e-6, 2e-6}, {1, 64, 96, 1.0F, 1e-6, 2e-6},
    {1, 65, 97, 1.0F, 1e-6, 2e-6},
};

}  // namespace tessera::cases
