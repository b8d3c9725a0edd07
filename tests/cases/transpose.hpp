// Sizes for transposition: one row, one column, sides off four, more rows than one task takes.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<R, C>, batch)
void transpose(auto&& f) {
  f(shape<1, 1>, 2);
  f(shape<1, 7>, 1);
  f(shape<9, 1>, 3);
  f(shape<5, 6>, 2);
  f(shape<32, 12>, 2);
  f(shape<130, 3>, 2);
}

}  // namespace tessera::cases
