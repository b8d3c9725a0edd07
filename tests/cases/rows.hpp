// Sizes for row blocks.
#pragma once

#include <tessera/core/types.hpp>

namespace tessera::cases {

/// f(shape<D>, batch, count)
void rows(auto&& f) {
  f(shape<1>, 1, 1);
  f(shape<7>, 3, 2);
  f(shape<16>, 2, 5);
  f(shape<19>, 4, 9);
}

}  // namespace tessera::cases
