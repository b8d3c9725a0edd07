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

}  // namespace tessera::cases
