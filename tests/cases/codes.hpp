// Sizes for code vectors: one value, odd widths, more and fewer rows than codes.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<K, C>, rows)
void codes(auto&& f) {
  f(shape<1, 1>, 3);
  f(shape<5, 2>, 1);
  f(shape<9, 7>, 4);
  f(shape<6, 12>, 17);
  f(shape<20, 33>, 5);
}

}  // namespace tessera::cases
