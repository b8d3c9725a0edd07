// Sizes for group norm: one value a group, one group, one channel a group, groups off the vector, more than a block of
// pixels.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<C, G>, batch, pixels)
void group_norm(auto&& f) {
  f(shape<1, 1>, 1, 2);
  f(shape<4, 1>, 2, 1);
  f(shape<3, 3>, 1, 5);
  f(shape<6, 2>, 3, 4);
  f(shape<20, 4>, 2, 9);
  f(shape<32, 32>, 1, 3);
  f(shape<36, 2>, 1, 65);
}

}  // namespace tessera::cases
