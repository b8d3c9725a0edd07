// Sizes for diagonal Gaussians: one value, and rows off the vector.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<C>, rows)
void gaussian(auto&& f) {
  f(shape<1>, 3);
  f(shape<5>, 1);
  f(shape<16>, 4);
  f(shape<17>, 2);
}

}  // namespace tessera::cases
